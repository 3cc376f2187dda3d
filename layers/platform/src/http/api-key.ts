import * as z from 'zod';

/** Key of a service of our own, or `null` where it asks for none. */
export type ApiKey = string | null;

/** A secret `{"api_key": "..."}`; `{}` says that the service asks for no key. */
export const apiKeySecret = z
  .object({ api_key: z.string().min(1).optional() })
  .transform(({ api_key }): ApiKey => api_key ?? null);

export const bearerHeaders = (key: ApiKey): Record<string, string> =>
  key === null ? {} : { authorization: `Bearer ${key}` };

export const isUnauthenticated = ({ status }: { readonly status: number }): boolean => status === 401 || status === 403;
