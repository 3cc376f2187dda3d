import { Duration } from 'aws-cdk-lib';
import { Dashboard } from 'aws-cdk-lib/aws-cloudwatch';
import { Construct } from 'constructs';

import type { Theme } from './alarm-row.ts';
import type { Alarms } from './alarms.ts';
import {
  advisoryGraphs,
  executionGraphs,
  freshnessGraphs,
  type Graph,
  graphRows,
  heading,
  healthGraphs,
  profitGraphs,
  type WatchedResources,
} from './widgets.ts';

export interface DashboardsProps {
  readonly environment: string;
  readonly alarms: Alarms;
  readonly watched: WatchedResources;
}

interface Board {
  readonly id: string;
  readonly question: string;
  readonly themes: readonly Theme[];
  readonly graphs: readonly Graph[];
}

const boards = (watched: WatchedResources): readonly Board[] => [
  {
    id: 'FreshnessDashboard',
    question: '# Signals\nDo fresh signals reach the evaluator, and does the cycle run?',
    themes: ['signals', 'session', 'calendar'],
    graphs: freshnessGraphs,
  },
  {
    id: 'ExecutionDashboard',
    question: '# Execution\nDo decisions become fills, how fast, through which adapter, and what fails?',
    themes: ['orders', 'outcomes', 'delivery', 'routes', 'provenance'],
    graphs: executionGraphs,
  },
  {
    id: 'ProfitDashboard',
    question: '# Profit and safety\nWhat does the day earn, what stands behind it, and what has stopped?',
    themes: ['controls', 'drawdown', 'account', 'breaks', 'reconciliation', 'drills', 'research', 'promotion'],
    graphs: profitGraphs,
  },
  {
    id: 'AdvisoryDashboard',
    question: '# Advisory\nWhat does the advisor say, what does it cost, and does it fail?',
    themes: ['advisory'],
    graphs: advisoryGraphs,
  },
  {
    id: 'HealthDashboard',
    question: '# Platform\nDo functions, queues and stores do their work?',
    themes: ['platform', 'store', 'delivery', 'notifications'],
    graphs: healthGraphs(watched),
  },
];

/** The trading day is what people look for. */
const defaultSpan = Duration.hours(12);

export class Dashboards extends Construct {
  constructor(scope: Construct, id: string, { environment, alarms, watched }: DashboardsProps) {
    super(scope, id);
    for (const board of boards(watched)) {
      const own = alarms.deployed.filter(({ theme }) => board.themes.includes(theme));
      new Dashboard(this, board.id, {
        defaultInterval: defaultSpan,
        widgets: [
          heading(
            board.question,
            own.flatMap((row) => alarms.byId.get(row.id) ?? []),
          ),
          ...graphRows(environment, board.graphs),
        ],
      });
    }
  }
}
