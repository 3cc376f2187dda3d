import { stages, type gateVerdicts, type Stage } from '../../enumerations.ts';
import type { GateRow, GateStatus } from '../artifacts.ts';
import { capitalStages, checks, type Check, type CheckContext, type Objection } from './checks.ts';
import { inGateOrder, type GateCode } from './codes.ts';
import { valueOf } from './inputs.ts';

export type GateVerdict = (typeof gateVerdicts)[number];

/** The gates in their order, and the targets each stands before. */
export const gateTable: readonly { readonly id: number; readonly name: string; readonly targets: readonly Stage[] }[] =
  [
    { id: 0, name: 'data integrity', targets: stages },
    { id: 1, name: 'statistical robustness', targets: stages },
    { id: 2, name: 'risk and capacity', targets: stages },
    { id: 3, name: 'shadow and paper quality', targets: stages },
    { id: 4, name: 'operational readiness', targets: stages },
    { id: 5, name: 'live ramp readiness', targets: capitalStages },
    { id: 6, name: 'profitability evidence', targets: ['paper', ...capitalStages] },
  ];

/** Objections to one figure: first whether it is evidence at all, then what it says. */
const objectionsTo = (one: Check, context: CheckContext): readonly Objection[] => {
  const { input, missing } = one;
  const value = valueOf(context.inputs, input);
  if (value === undefined)
    return [{ status: 'fail', code: 'evidence_unit_mismatch', detail: `${input} has another type or unit` }];
  if (value === null) return [{ ...missing, detail: `expected a figure of ${input}, found none` }];
  const simulated = context.inputs[input]?.evidence_class === 'simulated';
  const own = one.judge(context);
  return [
    ...(simulated
      ? [
          {
            status: 'fail' as const,
            code: 'simulated_evidence_refused' as const,
            detail: `expected an observed figure of ${input}, found a simulated one`,
          },
        ]
      : []),
    ...(own === null ? [] : [own]),
  ];
};

const worst = (objections: readonly Objection[], applicable: number): GateStatus => {
  if (objections.some(({ status }) => status === 'fail')) return 'fail';
  if (objections.length > 0) return 'inconclusive';
  return applicable > 0 ? 'pass' : 'not_applicable';
};

/** All gates for one target. */
export const judgeGates = (context: CheckContext): readonly GateRow[] =>
  gateTable.map(({ id, name, targets }): GateRow => {
    const own = checks.filter(({ gateId }) => gateId === id);
    const inputs = Object.fromEntries(own.map(({ input }) => [input, context.inputs[input] ?? null]));
    if (!targets.includes(context.target))
      return {
        gate_id: id,
        name,
        required: false,
        status: 'not_applicable',
        codes: ['gate_not_required_for_target'],
        details: {},
        inputs,
      };
    const codes: GateCode[] = [];
    const details = new Map<string, Set<string>>();
    const objections: Objection[] = [];
    let applicable = 0;
    for (const one of own) {
      const reason = one.notApplicable(context);
      if (reason !== null) {
        // Why a figure was not asked for is worth a line; that a check is of another target is not.
        if (reason !== 'gate_not_required_for_target') codes.push(reason);
        continue;
      }
      applicable += 1;
      objections.push(...objectionsTo(one, context));
    }
    for (const { code, detail } of objections) {
      codes.push(code);
      details.set(code, (details.get(code) ?? new Set()).add(detail));
    }
    return {
      gate_id: id,
      name,
      required: true,
      status: worst(objections, applicable),
      codes: [...inGateOrder(codes)],
      details: Object.fromEntries([...details].map(([code, found]) => [code, [...found].join('; ')])),
      inputs,
    };
  });

/** Any required failure fails; any required doubt leaves it open. */
export const verdictOf = (gates: readonly GateRow[]): GateVerdict => {
  const required = gates.filter((gate) => gate.required);
  if (required.some(({ status }) => status === 'fail')) return 'FAIL';
  return required.some(({ status }) => status === 'inconclusive') ? 'INCONCLUSIVE' : 'PASS';
};

/** Highest stage whose gates all pass; shadow without one. */
export const recommendedStage = (context: Omit<CheckContext, 'target'>): Stage =>
  stages.findLast((target) => verdictOf(judgeGates({ ...context, target })) === 'PASS') ?? 'shadow';

/** Codes that keep a candidate from passing, in the order of the table. */
export const blockingCodes = (gates: readonly GateRow[]): readonly string[] => [
  ...inGateOrder(
    gates
      .filter(({ status, required }) => required && status !== 'pass' && status !== 'not_applicable')
      .flatMap(({ codes, details }) => codes.filter((code) => Object.hasOwn(details, code))) as GateCode[],
  ),
];
