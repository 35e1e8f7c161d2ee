import { readFile, readdir, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'tap'
import { formatPublicKey } from '../../../../src/hart/origin-key.ts'
import { makeKeys } from '../../../support/build-hart.ts'
import { commandsOn } from '../../../support/command.ts'
import { makeOrigin, promoteTo, publishAll } from '../../../support/origin.ts'
import { scratchFolder } from '../../../support/run-cli.ts'
import { startDepot } from '../../../support/start-depot.ts'

const OLD = 'acme/app/1.0.0/20260101000000'
const NEW = 'acme/app/2.0.0/20260102000000'

test('export --bulkupload writes keys, packages and promotions for a Builder, and goes on where it stopped', async (t) => {
  const started = await startDepot(t, { listen: true })
  const folder = join(await scratchFolder(t), 'acme')
  const run = commandsOn(started)
  await makeOrigin(started)
  const [old, newer] = await publishAll(started, OLD, NEW)
  if (old === undefined || newer === undefined) throw new Error('nothing was published')
  for (const [view, hart] of [
    ['stable', newer],
    ['stable', old],
    ['union', newer],
    ['union', old],
  ] as const)
    await promoteTo(started, view, hart)

  const args = ['export', '--bulkupload', folder, '--origin', 'acme']
  t.match(await run(args), {
    code: 0,
    stdout: new RegExp(`^${folder} has 1 key, 2 packages \\(0 were there\\), and 3 promotions\\.\\n`),
    stderr: '',
  })
  t.equal(
    await readFile(join(folder, 'keys', 'acme-20260101000000.pub'), 'utf8'),
    formatPublicKey(makeKeys('acme').publicKey),
  )
  const files = [
    'acme-app-1.0.0-20260101000000-x86_64-linux.hart',
    'acme-app-2.0.0-20260102000000-x86_64-linux.hart',
  ]
  t.strictSame(await readdir(join(folder, 'artifacts')), files)
  t.ok((await readFile(join(folder, 'artifacts', files[0] ?? ''))).equals(old.bytes))
  t.equal(
    await readFile(join(folder, 'promotions.sh'), 'utf8'),
    [
      '#!/bin/sh',
      'set -e',
      'hab bldr channel create --origin acme union || true # it may exist',
      `hab pkg promote ${OLD} union x86_64-linux`, // the newer one would be latest at a Builder
      `hab pkg promote ${OLD} stable x86_64-linux`,
      `hab pkg promote ${NEW} stable x86_64-linux`,
      '',
    ].join('\n'),
  )
  t.equal((await stat(join(folder, 'promotions.sh'))).mode & 0o100, 0o100)

  await writeFile(join(folder, 'artifacts', files[1] ?? ''), 'cut off')
  t.match(JSON.parse((await run([...args, '--json'])).stdout), { packages: 2, present: 1, promotions: 3 })
  t.ok((await readFile(join(folder, 'artifacts', files[1] ?? ''))).equals(newer.bytes))

  for (const wrong of [
    ['export', '--bulkupload', folder],
    ['export', '--origin', 'acme'],
    ['export', 'union', '--bulkupload', folder, '--origin', 'acme'],
  ])
    t.match(await run(wrong), { code: 2 })
})
