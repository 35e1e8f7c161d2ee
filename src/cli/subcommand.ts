import { parseArgs } from 'node:util'
import type { ParseArgsOptionsConfig } from 'node:util'
import { didYouMean } from '../text/nearest.ts'

/** A subcommand, as listed in main.ts. */
export interface Subcommand {
  /** The options and arguments, for the help. */
  readonly usage: string
  /** A summary in one line, for the help. */
  readonly summary: string
  /** Explanations of the options, one line each. */
  readonly details?: readonly string[]
  /** Runs the command and writes its result to stdout. Throws {@link UsageError} for wrong arguments. */
  run(args: string[]): Promise<void>
}

/** Wrong arguments; the exit code is 2. */
export class UsageError extends Error {}

/** Returns the only argument of a command. Throws {@link UsageError}. */
export function onlyArgument(positionals: readonly string[], name: string): string {
  const [first, ...others] = positionals
  if (first === undefined) throw new UsageError(`${name} is missing`)
  if (others.length > 0) throw new UsageError(`only one ${name} is expected: ${others.join(' ')}`)
  return first
}

type Parsed<Options extends ParseArgsOptionsConfig> = ReturnType<
  typeof parseArgs<{ args: string[]; allowPositionals: true; options: Options }>
>

/**
 * Parses options and arguments. Throws {@link UsageError} for an option that is unknown, lacks its value, or
 * is repeated.
 */
export function parseOptions<const Options extends ParseArgsOptionsConfig>(
  args: readonly string[],
  options: Options,
): Parsed<Options> {
  const { tokens } = parseArgs({
    args: [...args],
    options,
    allowPositionals: true,
    strict: false,
    tokens: true,
  })
  const seen = new Set<string>()
  for (const token of tokens) {
    if (token.kind !== 'option') continue
    const option = Object.hasOwn(options, token.name) ? options[token.name] : undefined
    if (option === undefined)
      throw new UsageError(`there is no option ${token.rawName}${hintOf(token.name, Object.keys(options))}`)
    if (option.type === 'boolean' && token.value !== undefined)
      throw new UsageError(`${token.rawName} takes no value`)
    if (option.type === 'string' && (token.value === undefined || token.value === ''))
      throw new UsageError(`${token.rawName} needs a value`)
    if (option.type === 'string' && token.inlineValue === false && /^-./.test(token.value ?? ''))
      throw new UsageError(
        `${token.rawName} needs a value; write a value that begins with - as ${token.rawName}=${token.value}`,
      )
    if (option.multiple !== true && seen.has(token.name))
      throw new UsageError(`${token.rawName} cannot be repeated`)
    seen.add(token.name)
  }
  return parseArgs({ args: [...args], options, allowPositionals: true })
}

function hintOf(name: string, known: readonly string[]): string {
  return didYouMean(name, known).replace('did you mean ', 'did you mean --')
}

/** Like {@link parseOptions}, for a command without arguments. */
export function parseOptionsOnly<const Options extends ParseArgsOptionsConfig>(
  args: readonly string[],
  options: Options,
): Parsed<Options>['values'] {
  const { values, positionals } = parseOptions(args, options)
  if (positionals.length > 0) throw new UsageError(`no argument is expected: ${positionals.join(' ')}`)
  return values
}
