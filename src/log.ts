import { isatty } from 'node:tty'
import { inspect } from 'node:util'
import pino from 'pino'
import type { Logger } from 'pino'

const STDERR = 2

/**
 * The log, on stderr: lines of JSON for programs, and of text where a person looks on. Stdout is left to what was asked for, so that
 * a token shown there is in no log. Threads may each open it: a line is written at once, and whole.
 */
export function openLog(level: string): Logger {
  if (!isatty(STDERR)) return pino({ level }, pino.destination({ fd: STDERR, sync: true }))
  return pino({ level }, { write: (line: string) => process.stderr.write(formatLogLine(line)) })
}

/** `12:00:01 info  request method=PUT status=200`, and below it the stack of an error. */
export function formatLogLine(line: string): string {
  const { level, time, msg = '', pid: _, hostname: __, err, ...rest } = JSON.parse(line) as Record<string, unknown>
  const clock = new Date(Number(time)).toISOString().slice(11, 19)
  const name = pino.levels.labels[Number(level)] ?? String(level)
  const fields = Object.entries(rest).map(([field, value]) => ` ${field}=${typeof value === 'string' && /^[!-~]+$/.test(value) ? value : inspect(value, { breakLength: Infinity })}`)
  const stack = typeof err === 'object' && err !== null && 'stack' in err ? `\n${String(err.stack)}` : ''
  return `${clock} ${name.padEnd(5)} ${String(msg)}${fields.join('')}${stack}\n`
}
