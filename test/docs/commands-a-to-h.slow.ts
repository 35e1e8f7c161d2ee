import tap from 'tap'
import { testCommandsOf } from '../support/document-pages.ts'

await testCommandsOf(tap, { first: 'a', last: 'h' })
