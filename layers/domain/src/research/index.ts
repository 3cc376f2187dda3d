export * from './desires.ts';
export * from './engine.ts';
export * from './execution-model.ts';
export * from './features.ts';
export * from './fees.ts';
export * from './market.ts';
export * from './series.ts';
