import { deployment, type FunctionName, functionNames, queues, schedules, secretKeys } from '@torghut/domain/contract';
import { Duration, Stack, type StackProps } from 'aws-cdk-lib';
import { EventBus } from 'aws-cdk-lib/aws-events';
import { CfnScheduleGroup, ScheduleGroup } from 'aws-cdk-lib/aws-scheduler';
import type { Construct } from 'constructs';

import type { Settings } from '../config.ts';
import type { Database } from '../constructs/database.ts';
import { environmentDigest, functionEnvironment } from '../constructs/function-environment.ts';
import {
  functionLogicalId,
  migrationLogicalId,
  scheduleGroupLogicalId,
  type SecretName,
} from '../constructs/logical-id.ts';
import { MarketSchedule } from '../constructs/market-schedule.ts';
import type { Network } from '../constructs/network.ts';
import { LedgerMigration, readLedgerFiles } from '../constructs/migration.ts';
import { layerCodeOnce } from '../constructs/layer-code.ts';
import { publishedKeysIn, readPublishedKeys } from '../constructs/published-keys.ts';
import { ResearchLane } from '../constructs/research-lane.ts';
import { SourceLayer } from '../constructs/source-layer.ts';
import { type FunctionPlacement, TorghutFunction } from '../constructs/torghut-function.ts';
import { functionTable, maximumConcurrency, researchConcurrency } from './function-table.ts';
import type { StateStack, VendorSecretName } from './state-stack.ts';

export interface RuntimeStackProps extends StackProps {
  readonly settings: Settings;
  readonly sourceRoot: string;
  readonly state: StateStack;
  readonly network?: Network;
}

const isScheduled = (name: FunctionName): name is keyof typeof schedules => name in schedules;

const migrates = (name: FunctionName): boolean => functionTable[name].reads.includes('databaseOwner');

const isVendorSecret = (name: SecretName): name is VendorSecretName => name !== 'database' && name !== 'databaseOwner';

/** Which database it is: another one is as empty as the first was. */
const databaseOf = (database: Database): Readonly<Record<'Database' | 'DatabaseOwner', string>> => ({
  Database: database.kind === 'external' ? database.secret.secretArn : database.resourceId,
  DatabaseOwner: database.ownerSecret.secretArn,
});

const placementIn = (network: Network, name: FunctionName): FunctionPlacement => ({
  vpc: network.vpc,
  subnets: network.functionSubnets,
  securityGroup: migrates(name) ? network.migration : network.functions,
});

/** Steps of another window's run that may be at work while tasks fan out. */
const stepsBesideTasks = 2;

/** What runs: both layers, every function with its queues, and the schedules. Layers and functions change together. */
export class RuntimeStack extends Stack {
  readonly functions: Readonly<Record<FunctionName, TorghutFunction>>;
  /** Name of the group of all schedules: what the service counts, it counts by group. */
  readonly scheduleGroup: string;
  /** ARN of the state machine of research runs. */
  readonly researchLane: string;

  constructor(scope: Construct, id: string, props: RuntimeStackProps) {
    super(scope, id, props);
    const { settings, sourceRoot, state, network } = props;
    const code = layerCodeOnce(sourceRoot);
    const domain = new SourceLayer(this, 'DomainLayer', { sourceRoot, name: 'domain', code });
    const platform = new SourceLayer(this, 'PlatformLayer', { sourceRoot, name: 'platform', code });
    const layers = settings.inlineLayers ? [] : [domain.toLayerVersion(), platform.toLayerVersion()];
    const bus = EventBus.fromEventBusName(this, 'EventBus', 'default');
    const environment = functionEnvironment(settings, domain.codeHash);
    const ledger = readLedgerFiles(sourceRoot);
    const publishedKeys = readPublishedKeys(publishedKeysIn(sourceRoot), settings.environment).map(({ text }) => text);

    const declare = (name: FunctionName): TorghutFunction => {
      const { timeoutSeconds, reads, sendsTo, publishes, readsEvidence, writesEvidence, signs, verifies, ...profile } =
        functionTable[name];
      const declared = new TorghutFunction(this, functionLogicalId(name), {
        ...profile,
        sourceRoot,
        name,
        timeout: Duration.seconds(timeoutSeconds),
        environment,
        layers,
        logRetention: settings.logRetentionDays,
        invocationDeadLetter: state.invocationDeadLetter,
        ...(network === undefined ? {} : { placement: placementIn(network, name) }),
        ...(migrates(name) ? { files: ledger.files } : {}),
      });
      if (migrates(name)) declared.migrates(state.database);
      else if (reads.includes('database')) declared.connectsTo(state.database);
      for (const secret of reads.filter(isVendorSecret)) declared.reads(state.secrets[secret], secretKeys[secret]);
      for (const queue of sendsTo) declared.sendsTo(state.queues[queue]);
      if (publishes === true) declared.publishesTo(bus);
      if (readsEvidence === true) declared.readsFrom(state.evidence);
      if (writesEvidence === true) declared.writesTo(state.evidence);
      if (signs === true) declared.signsWith(state.signingKey);
      if (verifies === true) declared.verifiesWith(state.signingKey, publishedKeys);
      return declared;
    };
    this.functions = Object.fromEntries(functionNames.map((name) => [name, declare(name)])) as Record<
      FunctionName,
      TorghutFunction
    >;

    const migration = new LedgerMigration(this, migrationLogicalId, {
      runner: this.functions.migrate,
      release: {
        Files: ledger.digest,
        // The domain holds the feature contract that is registered.
        Code: domain.codeHash,
        Account: settings.accountLabel,
        TradingMode: settings.tradingMode,
        // An unknown override is refused by the functions only; the one that migrates says so while there is a way back.
        Environment: environmentDigest(environment),
        ...databaseOf(state.database),
      },
    });
    migration.precedes(functionNames.filter((name) => !migrates(name)).map((name) => this.functions[name]));

    for (const name of Object.keys(queues) as (keyof typeof queues)[]) {
      this.functions[queues[name].consumer].consumes(state.queues[name], {
        batchSize: queues[name].batchSize,
        maximumConcurrency: maximumConcurrency[name],
      });
    }
    const schedulesOfStage = new CfnScheduleGroup(this, scheduleGroupLogicalId);
    schedulesOfStage.overrideLogicalId(scheduleGroupLogicalId);
    this.scheduleGroup = schedulesOfStage.ref;
    const group = ScheduleGroup.fromScheduleGroupName(this, 'ScheduleGroup', this.scheduleGroup);
    const lane = new ResearchLane(this, 'ResearchLane', {
      steps: this.functions['research-lane'],
      concurrency: researchConcurrency - stepsBesideTasks,
      worksFor: Duration.minutes(15),
      logRetention: settings.logRetentionDays,
    });
    this.researchLane = lane.stateMachine.stateMachineArn;
    for (const name of functionNames.filter(isScheduled)) {
      new MarketSchedule(this, `${functionLogicalId(name)}Schedule`, {
        target: name === 'research-lane' ? lane.stateMachine : this.functions[name],
        expression: schedules[name],
        timezone: deployment.scheduleTimezone,
        retries: deployment.scheduleRetries,
        maxEventAge: Duration.seconds(deployment.scheduleMaxEventAgeSeconds),
        deadLetter: state.scheduleDeadLetter,
        group,
      });
    }
  }
}
