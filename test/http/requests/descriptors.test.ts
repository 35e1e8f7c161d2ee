import { test } from 'tap'
import { startDepot } from '../../support/start-depot.ts'

test('a failure for lack of file descriptors is 503 and is counted', async (t) => {
  const { app, depot } = await startDepot(t)
  for (const code of ['EMFILE', 'ENFILE']) {
    const cause = Object.assign(new Error(`${code}: too many open files, open`), { code })
    depot.authenticator.identify = async () => {
      throw new Error('the database could not be read', { cause })
    }
    const { statusCode, headers, body } = await app.inject({
      url: '/healthz',
      headers: { authorization: 'Bearer any' },
    })
    t.equal(statusCode, 503)
    t.equal(headers['retry-after'], '5')
    t.match(JSON.parse(body), { code: 'overloaded', detail: /file descriptors/ })
  }
  t.match(
    (await app.inject('/metrics')).body,
    /^hart_depot_file_descriptors_exhausted_total\{what="request"\} 2$/m,
  )
})
