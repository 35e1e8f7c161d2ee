import tap, { test } from 'tap'
import { standIns } from '../support/documents/document.ts'
import { follow, succeeds } from '../support/documents/follow-document.ts'

// Needs shellcheck: `npm run test:pipeline`.

const programs = await standIns(tap)

test('the commands of docs/pipeline.md work as they are written', async (t) =>
  succeeds(t, await follow(t, 'docs/pipeline.md', `${process.env['PATH']}:${programs}`)))
