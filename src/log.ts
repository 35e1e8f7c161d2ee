import { isatty } from 'node:tty'
import { inspect } from 'node:util'
import pino from 'pino'
import type { DestinationStream, Logger } from 'pino'
import { shorten } from './errors.ts'

const STDERR = 2
/** Of one field of a line, in characters. */
const LONGEST_TEXT = 1_000
const LONGEST_STACK = 4_000

/**
 * The log, on stderr: lines of JSON for programs, and of text where a person looks on. Stdout is left to what was asked for, so that
 * a token shown there is in no log. Threads may each open it: a line is written at once, and whole.
 */
export function openLog(level: string): Logger {
  if (!isatty(STDERR)) return openLogTo(level, pino.destination({ fd: STDERR, sync: true }))
  return openLogTo(level, { write: (line: string) => process.stderr.write(formatLogLine(line)) })
}

/** A log whose lines of JSON go to `destination`, each with the name of its level and a time in RFC 3339. Texts that are too long, as what clients send may be, are cut. */
export function openLogTo(level: string, destination: DestinationStream): Logger {
  return pino(
    {
      level,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }), log: cut },
      serializers: { err: (error: Error) => cut(pino.stdSerializers.err(error)) },
    },
    destination,
  )
}

function cut<Fields extends object>(fields: Fields): Fields & Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(fields).map(([field, value]) => [
      field,
      typeof value === 'string' ? shorten(value, field === 'stack' ? LONGEST_STACK : LONGEST_TEXT) : value,
    ]),
  ) as Fields & Record<string, unknown>
}

/** `12:00:01 info  request method=PUT status=200`, and below it the stack of an error. */
export function formatLogLine(line: string): string {
  const {
    level,
    time,
    msg = '',
    pid: _,
    hostname: __,
    err,
    ...rest
  } = JSON.parse(line) as Record<string, unknown>
  const clock = String(time).slice(11, 19)
  const fields = Object.entries(rest).map(
    ([field, value]) =>
      ` ${field}=${typeof value === 'string' && /^[!-~]+$/.test(value) ? value : inspect(value, { breakLength: Infinity })}`,
  )
  const stack = typeof err === 'object' && err !== null && 'stack' in err ? `\n${String(err.stack)}` : ''
  return `${clock} ${String(level).padEnd(5)} ${String(msg)}${fields.join('')}${stack}\n`
}
