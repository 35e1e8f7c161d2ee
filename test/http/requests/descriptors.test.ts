import { test } from 'tap'
import { startDepot } from '../../support/start-depot.ts'

test('a failure for lack of file descriptors is 503 and is counted', async (t) => {
  const { app } = await startDepot(t)
  for (const code of ['EMFILE', 'ENFILE']) {
    app.get(`/${code}`, async (_request, reply) => {
      reply.header('etag', '"of another answer"')
      throw new Error('a package could not be read', {
        cause: Object.assign(new Error(`${code}: too many open files, open`), { code }),
      })
    })
  }
  for (const code of ['EMFILE', 'ENFILE']) {
    const { statusCode, headers, body } = await app.inject(`/${code}`)
    t.equal(statusCode, 503)
    t.equal(headers['retry-after'], '5')
    t.notOk('etag' in headers)
    t.match(JSON.parse(body), { code: 'overloaded', detail: /file descriptors/ })
  }
  t.match(
    (await app.inject('/metrics')).body,
    /^hart_depot_file_descriptors_exhausted_total\{what="request"\} 2$/m,
  )
})
