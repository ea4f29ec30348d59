import type { WireError } from '../../../src/protocol/contract';
import type { ConnectOutcome } from '../../../src/runtime/verdict';

export type ToWorker =
  | { kind: 'connect'; id: number; address: string; port: number }
  | { kind: 'announce'; id: number; port: number; address: string }
  | { kind: 'abort'; id: number }
  | { kind: 'call'; id: number; method: string; params: any };

export type FromWorker =
  | { kind: 'outcome'; id: number; outcome: ConnectOutcome }
  | { kind: 'result'; id: number; result: unknown }
  | { kind: 'failure'; id: number; wire: WireError };
