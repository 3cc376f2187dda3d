export * from './checks.ts';
export * from './codes.ts';
export * from './evaluation-inputs.ts';
export * from './gates.ts';
export * from './inputs.ts';
export * from './policy.ts';
