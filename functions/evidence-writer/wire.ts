import {
  connect,
  openEvidence,
  openVerificationKeys,
  postgresResearchLedger,
  type Environment,
  type Overrides,
} from '@torghut/platform';
import type { InvocationTelemetry } from '@torghut/platform';
import type { EvidenceWriterPorts } from './run.ts';

/**
 * The ports of the evidence writer from its environment. Nothing is connected before there is a message.
 * @throws SettingsError naming every setting at fault
 */
export const wire = (
  environment: Environment,
  overrides: Overrides = {},
): EvidenceWriterPorts & { readonly telemetry: InvocationTelemetry } => {
  const connections = connect('evidence-writer', environment, overrides);
  const { settings, clock, telemetry } = connections;
  return {
    ledger: async () => postgresResearchLedger(await connections.ledger(), settings.TRADING_ACCOUNT_LABEL),
    store: connections.evidence(openEvidence),
    trusted: () => connections.verificationKeys(openVerificationKeys),
    strict: settings.TRADING_STRICT_PERSISTENCE,
    clock,
    telemetry,
  };
};
