import { fileTest } from './suite.ts'

// What `tap` is to the files of a suite. It is loaded once for each file.

const t = fileTest()

// oxlint-disable-next-line import/no-default-export -- as tap itself
export default t
export const test = t.test.bind(t)
