import { fileTest } from './run-files.ts'

// Replaces the module `tap` in a test file. It is loaded once for each file.

const t = fileTest()

// oxlint-disable-next-line import/no-default-export -- like tap itself
export default t
export const test = t.test.bind(t)
