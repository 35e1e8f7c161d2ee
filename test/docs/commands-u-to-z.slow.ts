import tap from 'tap'
import { testCommandsOf } from '../support/documents/document-pages.ts'

await testCommandsOf(tap, { first: 'u', last: 'z' })
