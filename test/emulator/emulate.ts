import { setTimeout as wait } from 'node:timers/promises';
import type { Arguments } from './arguments.ts';
import { awsClients, type AwsEndpoint } from './aws.ts';
import { cdkOf, synthesizeWith } from './cdk.ts';
import type { Claim } from './claim.ts';
import { deploymentClaims } from './claims/deployment.ts';
import { destructionClaims } from './claims/destruction.ts';
import { failingAssemblies, failureClaims } from './claims/failures.ts';
import { evaluatedRunClaims, skippedRunClaims } from './claims/research.ts';
import { leakClaims, recoveryClaims, tradingClaims } from './claims/trading.ts';
import { deployedStage } from './deployed.ts';
import { allStacks, type Emulation, putSecrets, stackPath, succeeded } from './emulation.ts';
import { externalEndpoint } from './external.ts';
import { evidence } from './evidence.ts';
import type { Machine } from './machine.ts';
import { startMiniStack } from './ministack.ts';
import { operatorApi } from './operator-api.ts';
import type { Report } from './report.ts';
import { Schedules } from './schedules.ts';
import { startWorld } from './world.ts';

const emulatorAccount = '000000000000';
const emulatorRegion = 'us-east-1';

interface Endpoint {
  readonly endpoint: AwsEndpoint;
  readonly emulatorLog: string | null;
}

const emulatorEndpoint = async (machine: Machine): Promise<Endpoint> => {
  const { url, certificateFile, logFile } = await startMiniStack(machine);
  const endpoint = {
    url,
    region: emulatorRegion,
    account: emulatorAccount,
    // The emulator's key of the account's root.
    credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
    certificateFile,
  };
  return { endpoint, emulatorLog: logFile };
};

/**
 * What an emulator can hold of a deployment: no network, a database of the outside, and no composite alarms, whose type
 * MiniStack refuses when a stack is made. The rest is the paper environment as it is.
 */
const emulatorSettings = {
  TORGHUT_PAPER_NETWORK: 'none',
  TORGHUT_PAPER_DATABASE: 'external',
  TORGHUT_PAPER_COMPOSITE_ALARMS: 'false',
  // The stacks are destroyed at the end; what has to outlive them is retained all the same.
  TORGHUT_PAPER_DELETION_PROTECTION: 'false',
  TORGHUT_PAPER_TRADING_ENABLED: 'true',
  TORGHUT_PAPER_AUTONOMY_ENABLED: 'true',
  // Reserved names: what an alarm sends goes nowhere.
  TORGHUT_PAPER_PAGER_URL: 'https://pager.invalid/torghut',
  TORGHUT_PAPER_TICKET_EMAIL: 'tickets@torghut.invalid',
};

/** Like `Promise.all`, but waits for both before it fails, so that nothing is started after the cleanup. */
const bothSettled = async <A, B>(first: Promise<A>, second: Promise<B>): Promise<[A, B]> => {
  await Promise.allSettled([first, second]);
  return Promise.all([first, second]);
};

/**
 * Deploys the stacks and, unless nothing else is asked for, proves the claims, one after the other; the first that fails
 * ends the run.
 * @throws ClaimFailed; MachineError when this machine lacks something
 */
export const emulate = async (machine: Machine, report: Report, options: Arguments): Promise<void> => {
  const [{ endpoint, emulatorLog }, world] = await bothSettled(
    report.step('endpoint ready', async () =>
      options.endpoint === null
        ? emulatorEndpoint(machine)
        : { endpoint: await externalEndpoint(options.endpoint), emulatorLog: null },
    ),
    report.step('database, signal store and venue twins started', () => startWorld(machine)),
  );
  const settings = { ...emulatorSettings, ...world.settings };
  const cdk = cdkOf(machine, endpoint);
  const aws = awsClients(endpoint);
  const stage = deployedStage(aws);

  const [assembly] = await bothSettled(
    report.step('templates synthesized', () => synthesizeWith(machine, { root: machine.root, settings })),
    report.step('account bootstrapped', async () => succeeded('cdk bootstrap', await cdk.bootstrap())),
  );
  const state = await report.step('stack with the secrets deployed', async () =>
    succeeded('cdk deploy', await cdk.deploy(assembly, stackPath('state'))),
  );
  await report.step('secrets put', () => putSecrets({ aws, stage }, world.secrets));
  const rest = await report.step('everything deployed', async () =>
    succeeded('cdk deploy', await cdk.deploy(assembly, allStacks)),
  );
  await report.step('market opened, trading released by the operator', async () => {
    await world.openMarket();
    await world.releaseTrading();
  });
  report.figure('deploySeconds', { total: state.seconds + rest.seconds, stacks: { ...rest.stacks, ...state.stacks } });
  if (options.deployOnly) return;

  const emulation: Emulation = {
    machine,
    report,
    endpoint,
    emulatorLog,
    aws,
    cdk,
    stage,
    schedules: new Schedules(aws, stage),
    world,
    api: operatorApi(endpoint, await stage.output('OperatorApiUrl')),
    settings,
    assembly,
  };
  const prove = async (claims: readonly Claim[]): Promise<void> => {
    for (const claim of claims) {
      try {
        await report.prove(claim);
      } catch (error) {
        // Then the claim was cut off, and there is nothing to look for.
        if (!machine.interrupted.aborted) process.stdout.write(await evidence(emulation));
        throw error;
      }
    }
  };
  const failing = failingAssemblies(emulation);
  await prove([
    ...deploymentClaims(emulation),
    ...skippedRunClaims(emulation),
    ...tradingClaims(emulation),
    ...failureClaims(emulation, failing),
    ...recoveryClaims(emulation),
    ...evaluatedRunClaims(emulation),
    ...leakClaims(emulation),
  ]);

  if (options.keep) {
    report.line(`kept: endpoint ${endpoint.url}, API ${emulation.api.url}; Ctrl-C ends everything`);
    await wait(2 ** 31 - 1, undefined, { signal: machine.interrupted });
  }
  await prove(destructionClaims(emulation));
};
