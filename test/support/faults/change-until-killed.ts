import pino from 'pino'
import { readConfig } from '../../../src/config/config.ts'
import { openDepot } from '../../../src/depot/open.ts'
import { hashToken } from '../../../src/accounts/token.ts'

// A process that changes a depot and prints each committed change, until it is killed.
//   node change-until-killed.ts FOLDER

const depot = await openDepot(readConfig({ DEPOT_DATA: process.argv[2] }), { log: pino({ level: 'silent' }) })
const actor = { client: 'tests', door: 'cli' } as const
await depot.writer.submit({ kind: 'createOrigin', input: { name: 'acme', ownerId: 1 }, actor })
for (let number = 1; ; number += 1) {
  const names = [1, 2, 3].map((part) => `account-${number}-${part}`)
  await Promise.all(names.map((name) => depot.writer.submit({ kind: 'addAccount', input: { name }, actor })))
  await depot.writer.submit({
    kind: 'issueToken',
    input: { account: names[0] ?? '', hash: hashToken(`token-${number}`), label: 'x'.repeat(5_000) },
    actor,
  })
  const change = `change-${number}`
  const { publicId } = await depot.writer.submit({
    kind: 'recordChange',
    input: { project: 'acme/app', change, commit: change, targets: [] },
    actor,
  })
  await depot.writer.submit({
    kind: 'reportPhase',
    input: { change: publicId, phase: 'unit', status: 'passed' },
    actor,
  })
  process.stdout.write(`${[...names, change].join('\n')}\n`)
}
