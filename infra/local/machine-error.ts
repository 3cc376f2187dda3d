/** Something about this machine that whoever started the command can change; its message says what in one line. */
export class MachineError extends Error {
  override readonly name = 'MachineError';
}
