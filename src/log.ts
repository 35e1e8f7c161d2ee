import { isatty } from 'node:tty'
import { inspect } from 'node:util'
import pino from 'pino'
import type { DestinationStream, Logger } from 'pino'
import { shorten } from './errors.ts'

const STDERR = 2
/** The maximum number of characters in one field of a log line, and in the stack of an error. */
const MAX_FIELD_LENGTH = 1_000
const MAX_STACK_LENGTH = 4_000

/**
 * Opens the log on stderr: JSON lines for programs, text on a terminal. Stdout is for results, so that a
 * token shown there is in no log. Every thread may open the log; each line is written at once.
 */
export function openLog(level: string): Logger {
  if (!isatty(STDERR)) return openLogTo(level, pino.destination({ fd: STDERR, sync: true }))
  return openLogTo(level, { write: (line: string) => process.stderr.write(formatLogLine(line)) })
}

/**
 * Creates a log of JSON lines with level names and RFC 3339 times. Shortens long texts, which may come from
 * clients.
 */
export function openLogTo(level: string, destination: DestinationStream): Logger {
  return pino(
    {
      level,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }), log: shortenFields },
      serializers: { err: (error: Error) => shortenFields(pino.stdSerializers.err(error)) },
    },
    destination,
  )
}

/** Shortens the fields that are too long. Returns the same object if there are none. */
function shortenFields<Fields extends object>(fields: Fields): Fields {
  let shortened: Fields = fields
  for (const field in fields) {
    const value: unknown = fields[field]
    const max = field === 'stack' ? MAX_STACK_LENGTH : MAX_FIELD_LENGTH
    if (typeof value === 'string' && value.length > max)
      shortened = { ...shortened, [field]: shorten(value, max) }
  }
  return shortened
}

/**
 * Formats a JSON line of the log for a terminal: `12:00:01 info  request method=PUT status=200`, with the
 * stack of an error below it.
 */
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
