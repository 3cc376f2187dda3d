export * from './chain.ts';
export * from './envelope.ts';
export * from './locate.ts';
export * from './manifest.ts';
export * from './statement.ts';
