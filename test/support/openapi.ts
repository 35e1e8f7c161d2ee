import { readFileSync } from 'node:fs'
import { parse } from 'yaml'

/** openapi.yaml, parsed once for all test files of a process. Do not change it. */
export const OPENAPI: unknown = parse(readFileSync(new URL('../../openapi.yaml', import.meta.url), 'utf8'))
