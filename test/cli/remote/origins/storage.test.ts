import { writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import tap, { test } from 'tap'
import { EXIT } from '../../../../src/cli/exit-codes.ts'
import { hartFileName } from '../../../../src/package/ident.ts'
import { buildHart } from '../../../support/build-hart.ts'
import { callApi } from '../../../support/call-api.ts'
import { commandsOn } from '../../../support/command.ts'
import { makeOrigin } from '../../../support/origin.ts'
import { startDepot } from '../../../support/start-depot.ts'

const started = await startDepot(tap, { listen: true })
await makeOrigin(started)
const run = commandsOn(started)
const jane = await started.account('jane')
const ofJane = commandsOn(started, jane)

async function fileOf(version: string): Promise<string> {
  const hart = buildHart({ ident: `acme/app/${version}/20260101120000` })
  const file = join(started.folder, hartFileName(hart.ident, hart.target))
  await writeFile(file, hart.bytes)
  return file
}

test('quotas are set, shown, warned of and removed', async (t) => {
  const first = await fileOf('1.0.0')
  t.match(await run(['upload', first]), { code: 0, stderr: '' })
  const { used_bytes: used } = (await callApi(started, 'GET', '/api/v1/storage')).body as {
    used_bytes: number
  }
  t.match(await run(['quota', 'set', String(Math.floor(used * 2.2)), '--origin', 'acme']), {
    code: 0,
    stdout: /^acme has 1 release with .* of a quota of [\d.]+ KiB\.\n$/,
  })
  t.match(await run(['upload', await fileOf('1.0.1')]), {
    code: 0,
    stderr: /^Warning: the origin acme uses 9\d % of its quota of [\d.]+ KiB\.$/m,
  })
  const third = await fileOf('1.0.2')
  t.match(await run(['upload', third]), {
    code: EXIT.refused,
    stderr: new RegExp(`${basename(third)} was not uploaded: there is no room for .*: the origin acme uses`),
  })
  t.match(await run(['upload', first]), { code: 0, stderr: '' }, 'a repeated upload needs no room')
  const { stdout } = await run(['storage'])
  t.match(stdout, /^the depot has 2 releases with [\d.]+ KiB, without a quota\./)
  t.match(stdout, /^acme +2 +[\d.]+ KiB +[\d.]+ KiB \(9\d %\)$/m)
  t.match(stdout, /^2026-01 +2 +/m)
  t.match((await run(['storage', 'acme'])).stdout, /^acme\/app +2 +/m)
  t.match(await run(['storage', 'acme', '--before', '2026-01', '--json']), { stdout: /"packages": \[\]/ })
  t.match(await run(['storage', '--before', 'now']), { code: EXIT.failed, stderr: /must be a month/ })
  t.match(await ofJane(['storage']), { code: 0, stdout: /^ORIGIN/ }, 'without a role there is nothing to see')
  t.match(await ofJane(['storage', 'acme']), { code: EXIT.noRights })

  t.match(await run(['quota', 'remove', '--origin', 'acme']), { code: 0, stdout: /without a quota/ })
  t.match(await run(['quota', 'set', '1TiB', '--depot']), { code: 0, stdout: /quota of 1\.0 TiB/ })
  t.match(await run(['quota', 'remove', '--depot']), { code: 0 })
  t.match(await run(['quota', 'set', 'much', '--depot']), { code: EXIT.usage, stderr: /such as 10GiB/ })
  t.match(await run(['quota', 'set', '1GiB']), { code: EXIT.usage, stderr: /--origin ORIGIN or --depot/ })
})

test('administrators create origins with reserved names, and hand them over', async (t) => {
  t.match(await run(['origin', 'reserve', 'core', 'secret-*']), { code: 0, stdout: /: core secret-\*$/m })
  t.match(await ofJane(['origin', 'create', 'secret-plan']), {
    code: EXIT.noRights,
    stderr: /the name secret-plan is reserved: only an administrator/,
  })
  t.match(await ofJane(['origin', 'reserved']), { code: EXIT.noRights })
  t.match(await run(['origin', 'create', 'secret-plan']), { code: 0 })
  t.match(await run(['origin', 'transfer', 'secret-plan', 'jane', '--remove-owner']), {
    code: 0,
    stdout: 'jane owns secret-plan now\n',
  })
  t.match((await run(['origin', 'members', 'secret-plan', '--quiet'])).stdout, 'jane\n')
  t.match(await run(['origin', 'unreserve', 'secret-*', 'core']), { stdout: 'No name is reserved.\n' })
})
