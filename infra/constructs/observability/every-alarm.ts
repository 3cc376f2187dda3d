import type { LimitValues } from '@torghut/domain/limits';

import type { AlarmRow } from './alarm-row.ts';
import { alarmTable } from './alarm-table.ts';
import {
  deadLetterAlarm,
  functionAlarms,
  operatorApiAlarm,
  researchLaneAlarm,
  scheduleAlarms,
  watcherAlarm,
  type WatchedDeadLetterQueue,
  type WatchedFunction,
  type WatchedWorkQueue,
  workQueueAlarm,
} from './resource-alarms.ts';

/** What runs and can be watched from outside. Names are CloudWatch's. */
export interface Watched {
  readonly functions: readonly WatchedFunction[];
  readonly workQueues: readonly WatchedWorkQueue[];
  readonly deadLetterQueues: readonly WatchedDeadLetterQueue[];
  /** The function that measures everything else. */
  readonly watcherFunctionName: string;
  readonly scheduleGroup: string;
  /** ARN of the state machine of research runs. */
  readonly researchLane: string;
  readonly maximumEventAgeSeconds: number;
  readonly operatorApiId: string;
}

/** Every row there is: the alert table, and the rows that each function, queue, schedule group and API brings. */
export const everyAlarm = (limits: LimitValues, watched: Watched): readonly AlarmRow[] => [
  ...alarmTable(limits),
  watcherAlarm(watched.watcherFunctionName),
  ...watched.functions.flatMap((one) => functionAlarms(one, watched.maximumEventAgeSeconds)),
  ...watched.workQueues.map(workQueueAlarm),
  ...watched.deadLetterQueues.map(deadLetterAlarm),
  ...scheduleAlarms(watched.scheduleGroup),
  researchLaneAlarm(watched.researchLane),
  operatorApiAlarm(watched.operatorApiId),
];
