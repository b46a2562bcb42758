/**
 * `@holdfast/sim/history`: was it right, what the clients saw? A recorder of concurrent operations, and two checkers of
 * linearizability: one for every history, and one for hour-long ones of conditional writes. Pure.
 *
 * @example
 * const recorder = new HistoryRecorder<RegisterCall, RegisterResult>();
 * const pending = recorder.begin('c1', 'key', { kind: 'put', value: 'v1', ifAbsent: true });
 * pending.answered({ kind: 'written' });
 * checkLinearizable(registerModel, recorder.history()).kind; // 'linearizable'
 *
 * Source: packages/sim/src/history
 */
export { checkLinearizable } from './check-linearizable.ts';
export type { PendingOperation } from './history-recorder.ts';
export { HistoryRecorder } from './history-recorder.ts';
export type { Conflict, Model, Operation, SearchLimits, Verdict } from './operation.ts';
export type { RegisterCall, RegisterResult, RegisterState } from './register-model.ts';
export { registerModel } from './register-model.ts';
export type { RegisterOperation } from './version-chain.ts';
export { checkVersionedRegisters } from './versioned-register.ts';
