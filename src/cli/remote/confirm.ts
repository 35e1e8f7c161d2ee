import type { Readable, Writable } from 'node:stream'
import { EXIT, Exit } from '../exit-codes.ts'
import { isInteractive } from '../io.ts'
import type { Io } from '../io.ts'

/**
 * Asks the person at the terminal, who answers with a line. Throws {@link Exit} unless it is `y` or `yes`:
 * a single key could be the first letter of another word. Ctrl-C has an exit code of its own.
 */
export async function confirm(io: Io, question: string): Promise<void> {
  const { text, isCancel } = await import('@clack/prompts')
  const answer = await text({ message: `${question} [y/N]`, ...questionStreams(io) })
  if (isCancel(answer)) throw new Exit(EXIT.interrupted, 'nothing was changed')
  if (!/^y(es)?$/i.test((answer ?? '').trim())) throw new Exit(EXIT.failed, 'nothing was changed')
}

/**
 * Reports whether a command should ask before it changes something: on a terminal, unless `--yes` is given.
 */
export function shouldAsk(io: Io, { yes }: { yes?: boolean | undefined }): boolean {
  return yes !== true && isInteractive(io)
}

/**
 * Returns the streams of a question. Questions are asked only on a terminal, whose streams are always Node's,
 * so the casts are safe. Ctrl-C is a key there, which cancels the question.
 */
export function questionStreams({ stdin, stderr }: Io): { input: Readable; output: Writable } {
  return { input: stdin as Readable, output: stderr as unknown as Writable }
}
