import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'tap'
import { buildHart } from '../support/build-hart.ts'
import { bearer, makeOrigin, upload } from '../support/origin.ts'
import { startDepot } from '../support/start-depot.ts'
import { traces } from '../support/traces.ts'

test('a fault of the disk gives a 500 without detail and leaves nothing behind', async (t) => {
  const started = await startDepot(t, { listen: true })
  await makeOrigin(started)
  const { depot, logged } = started
  const hart = buildHart()
  const inTheWay = join(depot.config.blobFolder, hart.checksum.slice(0, 2))
  await writeFile(inTheWay, 'a file where a folder should be')
  const before = await traces(depot)

  t.match(await upload(started, hart), { status: 500, text: '' })
  const asHab = await upload(started, hart, { headers: { ...bearer(), 'user-agent': 'hab/2.1.78' } })
  t.match(asHab, {
    status: 500,
    text: /"code":5,"msg":"[^"]+"/,
  })
  t.equal(
    logged.filter((line) => line['level'] === 'error' && line['err'] !== undefined).length,
    2,
    'each is logged once with its cause',
  )
  t.same(await traces(depot), before)
  await rm(inTheWay)
  t.equal((await upload(started, hart)).status, 201)
})
