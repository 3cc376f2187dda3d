import type { Clock, DeploymentSwitches, EvidenceClass, FreshnessLimits, Instant, Ticker } from '@torghut/domain';
import type {
  AdapterStateChange,
  AdapterStateChanged,
  BootCheck,
  ControlChange,
  ControlChanged,
  InvocationTelemetry,
  OperatorReadModel,
} from '@torghut/platform';

/** What a dependency answered when it was asked. */
export interface Probe {
  readonly ok: boolean;
  readonly detail: string;
}

export interface OperatorApiPorts {
  readonly clock: Clock;
  readonly telemetry: InvocationTelemetry;
  readonly reads: OperatorReadModel;
  readonly commands: {
    readonly changeControl: (change: ControlChange, now: Instant) => Promise<ControlChanged>;
    readonly changeAdapter: (change: AdapterStateChange, now: Instant) => Promise<AdapterStateChanged>;
  };
  readonly checkBoot: (now: Instant) => Promise<BootCheck>;
  readonly probes: {
    readonly clickhouse: () => Promise<Probe>;
    readonly broker: () => Promise<Probe>;
  };
  readonly configuration: OperatorApiConfiguration;
}

export interface OperatorApiConfiguration {
  readonly mode: 'paper' | 'live';
  readonly deployment: DeploymentSwitches;
  readonly llmStage: number;
  /** Research runs that an evidence continuity check looks at unless the request says otherwise. */
  readonly evidenceRunLimit: number;
  readonly freshness: FreshnessLimits & { readonly signalSloHours: number };
  readonly parity: {
    /** The symbols that both adapters trade. */
    readonly symbols: readonly Ticker[];
    /** Sessions that a pass counts for. */
    readonly maxSessions: number;
  };
  /** Content hash of the deployed domain layer; null where the code is not bundled. */
  readonly codeHash: string | null;
  /** Whether the broker is one, or stands in for one. */
  readonly evidence: EvidenceClass;
}
