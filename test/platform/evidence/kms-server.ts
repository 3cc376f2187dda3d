import { createECDH, randomBytes, type KeyObject } from 'node:crypto';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface KmsServer {
  readonly url: string;
  /** Operation and input of every call. */
  readonly calls: { readonly operation: string; readonly input: Readonly<Record<string, unknown>> }[];
  /** What the key says it is. */
  describe: { KeySpec: string; KeyUsage: string };
  /** What signs; another than the one whose public key is given makes signatures that are worth nothing. */
  signWith: KeyObject;
  stop(): Promise<void>;
}

/** Order of the group of P-256. */
const order = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;

const modulo = (value: bigint): bigint => ((value % order) + order) % order;

const inverse = (value: bigint): bigint => {
  let [base, exponent, result] = [modulo(value), order - 2n, 1n];
  for (; exponent > 0n; exponent >>= 1n) {
    if (exponent & 1n) result = modulo(result * base);
    base = modulo(base * base);
  }
  return result;
};

const numberOf = (bytes: Uint8Array): bigint => BigInt(`0x${Buffer.from(bytes).toString('hex')}`);

const derInteger = (value: bigint): Buffer => {
  const digits = value.toString(16);
  const bytes = Buffer.from(digits.padStart(digits.length + (digits.length % 2), '0'), 'hex');
  const unsigned = (bytes[0] ?? 0) > 0x7f ? Buffer.concat([Buffer.of(0), bytes]) : bytes;
  return Buffer.concat([Buffer.of(2, unsigned.length), unsigned]);
};

/** ECDSA over a digest made elsewhere, for which Node has no call. */
const signDigest = (digest: Uint8Array, key: KeyObject): Buffer => {
  const secret = numberOf(Buffer.from(key.export({ format: 'jwk' }).d ?? '', 'base64url'));
  const nonce = createECDH('prime256v1');
  nonce.setPrivateKey(Buffer.concat([Buffer.of(1), randomBytes(31)]));
  const r = modulo(numberOf(nonce.getPublicKey().subarray(1, 33)));
  const s = modulo(inverse(numberOf(nonce.getPrivateKey())) * (numberOf(digest) + r * secret));
  const body = Buffer.concat([derInteger(r), derInteger(s)]);
  return Buffer.concat([Buffer.of(0x30, body.length), body]);
};

const bodyOf = async (request: IncomingMessage): Promise<string> => {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
};

/** Speaks `GetPublicKey` and `Sign` of KMS for one key. */
export const kmsServer = async (publicKey: KeyObject, privateKey: KeyObject): Promise<KmsServer> => {
  const calls: KmsServer['calls'] = [];
  const answer = (operation: string, input: Readonly<Record<string, unknown>>): object | null => {
    const spki = publicKey.export({ type: 'spki', format: 'der' });
    if (operation === 'GetPublicKey') return { PublicKey: spki.toString('base64'), ...served.describe };
    if (operation !== 'Sign' || input['MessageType'] !== 'DIGEST' || input['SigningAlgorithm'] !== 'ECDSA_SHA_256')
      return null;
    const digest = Buffer.from(String(input['Message']), 'base64');
    return digest.length === 32 ? { Signature: signDigest(digest, served.signWith).toString('base64') } : null;
  };
  const server = createServer((request, response) => {
    void bodyOf(request).then((text) => {
      const operation = String(request.headers['x-amz-target']).replace('TrentService.', '');
      const input = JSON.parse(text) as Readonly<Record<string, unknown>>;
      calls.push({ operation, input });
      const body = answer(operation, input);
      response.writeHead(body === null ? 400 : 200, { 'content-type': 'application/x-amz-json-1.1' });
      response.end(JSON.stringify(body ?? { __type: 'ValidationException', message: operation }));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const served: KmsServer = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    calls,
    describe: { KeySpec: 'ECC_NIST_P256', KeyUsage: 'SIGN_VERIFY' },
    signWith: privateKey,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => {
          resolve();
        });
        server.closeAllConnections();
      }),
  };
  return served;
};
