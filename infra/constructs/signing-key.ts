import { RemovalPolicy } from 'aws-cdk-lib';
import { Key, KeySpec, KeyUsage } from 'aws-cdk-lib/aws-kms';
import type { Construct } from 'constructs';

import { fixLogicalIds } from './fixed-logical-ids.ts';
import { stateLogicalIds } from './logical-id.ts';

/**
 * Signs gate verdicts and promotion records with ECDSA on P-256. Kept for ever: a signature is worth what its public key
 * can still verify. KMS does not rotate asymmetric keys; a new key is a new construct beside this one, and evidence
 * names the key that signed it.
 */
export class SigningKey extends Key {
  constructor(scope: Construct, id: string) {
    super(scope, id, {
      description: 'torghut evidence signatures',
      keySpec: KeySpec.ECC_NIST_P256,
      keyUsage: KeyUsage.SIGN_VERIFY,
      removalPolicy: RemovalPolicy.RETAIN,
    });
    fixLogicalIds(this, stateLogicalIds.signingKey);
  }
}
