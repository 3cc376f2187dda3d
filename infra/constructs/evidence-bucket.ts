import { Duration, RemovalPolicy } from 'aws-cdk-lib';
import { AnyPrincipal, Effect, PolicyStatement } from 'aws-cdk-lib/aws-iam';
import {
  BlockPublicAccess,
  Bucket,
  BucketEncryption,
  type IBucket,
  ObjectLockMode,
  ObjectLockRetention,
  ObjectOwnership,
} from 'aws-cdk-lib/aws-s3';
import { Construct } from 'constructs';

import { fixLogicalIds } from './fixed-logical-ids.ts';
import { stateLogicalIds } from './logical-id.ts';

export interface EvidenceBucketProps {
  /** Under compliance nobody, the account's root user included, can shorten the retention of an object. */
  readonly lockMode: ObjectLockMode;
  readonly retentionDays: number;
  readonly accessLogDays: number;
}

/** What is kept of a run. */
export const evidencePrefix = 'evidence/';

/** Everything that is kept: what runs left, and the data they were made of, which several may share. */
export const evidencePrefixes = [evidencePrefix, 'datasets/', 'work/'] as const;

/**
 * Evidence, write once: versioned, locked, and by policy neither deleted nor overwritten by anyone. Encrypted with S3's
 * own keys: evidence has to stay readable for as long as it is kept, and a key of ours could be lost before.
 */
export class EvidenceBucket extends Construct {
  readonly bucket: Bucket;

  constructor(scope: Construct, id: string, props: EvidenceBucketProps) {
    super(scope, id);
    const common = {
      encryption: BucketEncryption.S3_MANAGED,
      enforceSSL: true,
      blockPublicAccess: BlockPublicAccess.BLOCK_ALL,
      objectOwnership: ObjectOwnership.BUCKET_OWNER_ENFORCED,
      removalPolicy: RemovalPolicy.RETAIN,
    };
    const accessLogs = new Bucket(this, 'AccessLogs', {
      ...common,
      lifecycleRules: [{ expiration: Duration.days(props.accessLogDays) }],
    });
    const retention = Duration.days(props.retentionDays);
    this.bucket = new Bucket(this, 'Resource', {
      ...common,
      versioned: true,
      objectLockEnabled: true,
      objectLockDefaultRetention:
        props.lockMode === ObjectLockMode.COMPLIANCE
          ? ObjectLockRetention.compliance(retention)
          : ObjectLockRetention.governance(retention),
      serverAccessLogsBucket: accessLogs as IBucket,
      // An upload that never completes is invisible and billed.
      lifecycleRules: [{ abortIncompleteMultipartUploadAfter: Duration.days(1) }],
    });
    this.forbid('NothingIsDeleted', ['s3:DeleteObject', 's3:DeleteObjectVersion']);
    // Without the header a second put of a key would hide the first version. The parts of a multipart upload cannot
    // carry it; the request that completes the upload does.
    this.forbid('NothingIsOverwritten', ['s3:PutObject'], {
      Null: { 's3:if-none-match': 'true' },
      Bool: { 's3:ObjectCreationOperation': 'true' },
    });
    fixLogicalIds(this, stateLogicalIds.evidence);
  }

  private forbid(sid: string, actions: readonly string[], conditions: Readonly<Record<string, unknown>> = {}): void {
    this.bucket.addToResourcePolicy(
      new PolicyStatement({
        sid,
        effect: Effect.DENY,
        principals: [new AnyPrincipal()],
        actions: [...actions],
        resources: [this.bucket.arnForObjects('*')],
        conditions: { ...conditions },
      }),
    );
  }
}
