import { readArchive } from '../../src/hart/archive.ts'
import { hasXzProgram } from '../../src/hart/xz-program.ts'
import { payloadOffsetOf } from '../fillings/harts.ts'

// `decode.ts FILE` reads the metadata of a hart file with the depot's decoder, and nothing else of the depot.

const [path = ''] = process.argv.slice(2)
await readArchive(path, payloadOffsetOf(path), { withProgram: hasXzProgram() })
