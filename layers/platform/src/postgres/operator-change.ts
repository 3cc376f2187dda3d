import { sha256, type AccountLabel } from '@torghut/domain';

/** Who changed what, why and when, as an operator asked for it. */
export interface OperatorChange {
  /** IAM principal. */
  readonly actor: string;
  readonly reason: string;
  /** The client's token: the same token is the same change, however often it is asked for. Null: none was given. */
  readonly requestId: string | null;
}

const longestActor = 128;

/** A principal as kept with a row: one that is too long keeps its beginning and a digest, so that no two look alike. */
export const actorOf = (principal: string): string =>
  principal.length <= longestActor ? principal : `${principal.slice(0, 111)}~${sha256(principal).slice(0, 16)}`;

/** Id of the row that a request writes: a function of account, kind and token, so that a repeated request finds it. */
export const rowIdOf = (account: AccountLabel, kind: 'adapter' | 'control', requestId: string): string => {
  const hex = sha256(`${kind}:${account}:${requestId}`);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
};
