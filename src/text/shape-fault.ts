import type { z } from 'zod'
import { didYouMean } from './nearest.ts'

const KINDS: Readonly<Record<string, string>> = {
  string: 'a text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  object: 'an object',
  record: 'an object',
  array: 'a list',
  null: 'null',
}
const FORMATS: Readonly<Record<string, string>> = {
  datetime: 'a time, such as 2026-01-31T12:00:00Z',
  date: 'a date, such as 2026-01-31',
  url: 'a URL',
  email: 'an email address',
}

/**
 * Describes why zod rejected a value, as the end of a sentence about the value: `must be a text`. Replaces
 * zod's own messages.
 */
export function shapeFault(issue: z.core.$ZodRawIssue): string {
  switch (issue.code) {
    case 'invalid_type':
      return issue.input === undefined
        ? 'is missing'
        : `must be ${KINDS[issue.expected] ?? `of the kind ${issue.expected}`}`
    case 'invalid_value':
      return issue.input === undefined
        ? 'is missing'
        : `must be ${alternatives(issue.values.map(String))}${typeof issue.input === 'string' ? didYouMean(issue.input, issue.values.map(String)) : ''}`
    case 'too_small':
      return `must ${haveOrBe(issue.origin)} ${issue.inclusive === false ? 'more than' : 'at least'} ${issue.minimum}${unitOf(issue.origin, Number(issue.minimum))}`
    case 'too_big':
      return `must ${haveOrBe(issue.origin)} ${issue.inclusive === false ? 'less than' : 'at most'} ${issue.maximum}${unitOf(issue.origin, Number(issue.maximum))}`
    case 'invalid_format':
      return FORMATS[issue.format] === undefined
        ? `does not have the expected form${issue.pattern === undefined ? '' : ` ${issue.pattern}`}`
        : `must be ${FORMATS[issue.format]}`
    case 'not_multiple_of':
      return `must be a multiple of ${issue.divisor}`
    case 'unrecognized_keys':
      return `has unknown fields: ${issue.keys.join(', ')}`
    case 'invalid_union':
      return issue.input === undefined ? 'is missing' : 'has none of the allowed forms'
    case 'invalid_key':
      return 'has a field with an invalid name'
    case 'invalid_element':
      return 'has an invalid item'
    case 'custom':
      return 'is invalid'
    default:
      return issue satisfies never
  }
}

function alternatives(words: readonly string[]): string {
  return words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} or ${words.at(-1)}`
}

function haveOrBe(origin: string): string {
  return origin === 'string' || origin === 'array' || origin === 'set' || origin === 'map' ? 'have' : 'be'
}

function unitOf(origin: string, count: number): string {
  const unit = { string: 'character', array: 'item', set: 'item', map: 'field' }[origin]
  return unit === undefined ? '' : ` ${unit}${count === 1 ? '' : 's'}`
}
