import { runSuite } from '../support/suite.ts'

await runSuite('rest')
