import { DepotError } from '../../errors.ts'

/**
 * Limits on the structure of JSON. The cost of parsing, validating and reporting depends on these, not only
 * on bytes.
 */
export interface JsonLimits {
  /** The maximum depth of nested arrays and objects. */
  readonly maxDepth: number
  /** The maximum number of values in total. A field name counts as one. */
  readonly maxValues: number
  /** The most fields of one object. */
  readonly maxKeys: number
  /** The longest field name, in bytes, with escapes as written. */
  readonly maxKeyBytes: number
  /** The longest string, counted likewise. */
  readonly maxTextBytes: number
}

const [QUOTE, BACKSLASH, COMMA, COLON] = [0x22, 0x5c, 0x2c, 0x3a]
const [ARRAY, ARRAY_END, OBJECT, OBJECT_END] = [0x5b, 0x5d, 0x7b, 0x7d]

/**
 * Checks JSON in UTF-8 against limits without parsing it. Throws `too_large` at the first violation. Invalid
 * JSON may pass; the parser refuses it.
 */
export function expectModest(json: Uint8Array, limits: JsonLimits): void {
  const keys: number[] = [] // the number of keys of each enclosing object or array
  let values = 0
  let textBytes = 0 // the length of the last string, which is a key if a colon follows
  for (let at = 0; at < json.length; at += 1) {
    const byte = json[at]
    if (byte === QUOTE) {
      const end = endOfText(json, at + 1)
      textBytes = end - at - 1
      if (textBytes > limits.maxTextBytes)
        throw tooLarge(`has a text of more than ${limits.maxTextBytes} bytes`)
      at = end
    } else if (byte === OBJECT || byte === ARRAY) {
      keys.push(0)
      values += 1
      if (keys.length > limits.maxDepth) throw tooLarge(`is deeper than ${limits.maxDepth} levels`)
    } else if (byte === OBJECT_END || byte === ARRAY_END) {
      keys.pop()
    } else if (byte === COMMA) {
      values += 1
    } else if (byte === COLON) {
      values += 1
      const count = (keys.pop() ?? 0) + 1
      keys.push(count)
      if (count > limits.maxKeys) throw tooLarge(`has an object of more than ${limits.maxKeys} fields`)
      if (textBytes > limits.maxKeyBytes)
        throw tooLarge(`has a field with a name of more than ${limits.maxKeyBytes} bytes`)
    }
    if (values > limits.maxValues) throw tooLarge(`has more than ${limits.maxValues} values`)
  }
}

/** Returns the index of the closing quote, or the length if there is none. */
function endOfText(json: Uint8Array, start: number): number {
  let at = start
  while (at < json.length && json[at] !== QUOTE) at += json[at] === BACKSLASH ? 2 : 1
  return Math.min(at, json.length)
}

function tooLarge(why: string): DepotError {
  return new DepotError('too_large', `the JSON ${why}`)
}
