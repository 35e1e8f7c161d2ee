import { test } from 'tap'
import { z } from 'zod'
import { shapeFault } from '../../src/text/shape-fault.ts'

/** Returns the faults of a value as `place: fault`. */
function faultsOf(shape: z.ZodType, value: unknown): string[] {
  const parsed = shape.safeParse(value, { error: shapeFault })
  return (parsed.error?.issues ?? []).map(({ path, message }) => `${path.join('/')}: ${message}`)
}

test('shapeFault describes each kind of fault', async (t) => {
  for (const [shape, value, fault] of [
    [z.string(), 5, 'must be a text'],
    [z.string(), undefined, 'is missing'],
    [z.int(), '5', 'must be a number'],
    [z.int(), 1.5, 'must be a whole number'],
    [z.boolean(), 'yes', 'must be true or false'],
    [z.object({}), [], 'must be an object'],
    [z.record(z.string(), z.int()), 'x', 'must be an object'],
    [z.array(z.int()), {}, 'must be a list'],
    [z.int().min(1), 0, 'must be at least 1'],
    [z.number().gt(1), 1, 'must be more than 1'],
    [z.int().max(7), 8, 'must be at most 7'],
    [z.string().min(1), '', 'must have at least 1 character'],
    [z.string().max(2), 'abc', 'must have at most 2 characters'],
    [z.array(z.int()).min(2), [1], 'must have at least 2 items'],
    [z.enum(['highest', 'promoted']), 'promted', 'must be highest or promoted; did you mean promoted?'],
    [z.enum(['highest', 'promoted']), undefined, 'is missing'],
    [z.enum(['highest', 'promoted']), 5, 'must be highest or promoted'],
    [z.iso.datetime(), 'soon', 'must be a time, such as 2026-01-31T12:00:00Z'],
    [z.url(), 'x', 'must be a URL'],
    [z.string().regex(/^a$/), 'b', 'does not have the expected form /^a$/'],
    [z.string().regex(/^a$/, 'must be an a'), 'b', 'must be an a'],
    [z.union([z.string(), z.int()]), [], 'has none of the allowed forms'],
    [z.strictObject({}), { x: 1 }, 'has unknown fields: x'],
    [z.int().multipleOf(2), 3, 'must be a multiple of 2'],
    [z.string().refine(() => false), 'x', 'is invalid'],
  ] as const) {
    t.strictSame(faultsOf(z.object({ it: shape as z.ZodType }), { it: value }), [`it: ${fault}`], fault)
  }
})
