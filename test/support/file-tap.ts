import { fileTest } from './run-files.ts'

// What `tap` is to a test file. It is loaded once for each file.

const t = fileTest()

// oxlint-disable-next-line import/no-default-export -- as tap itself
export default t
export const test = t.test.bind(t)
