import { test } from 'tap'
import { ORIGIN_EXPECTATIONS, PEOPLE_EXPECTATIONS } from './expectations-origins.ts'
import { PACKAGE_READS, PACKAGE_WRITES } from './expectations-packages.ts'
import { OPENAPI } from '../../support/openapi.ts'

const EXPECTATIONS = [...ORIGIN_EXPECTATIONS, ...PEOPLE_EXPECTATIONS, ...PACKAGE_READS, ...PACKAGE_WRITES]

/** The routes that need more than a request to test, and where they are tested. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  'POST /v1/depot/pkgs/{origin}/{name}/{version}/{release}': 'rights.slow.ts, refused-uploads.slow.ts',
  'GET /v1/depot/pkgs/{origin}/{name}/{version}/{release}/download': 'download.test.ts, visibility.slow.ts',
  'POST /v1/depot/origins/{origin}/depart': 'origins.test.ts',
}

const { paths } = OPENAPI as {
  paths: Record<string, Record<string, { tags: string[] }>>
}

test('every Habitat route has a table of its answers to each kind of caller', async (t) => {
  const missing: string[] = []
  for (const [path, operations] of Object.entries(paths)) {
    const pattern = new RegExp(`^${path.slice('/v1'.length).replaceAll(/\{\w+\}/g, '[^/?]+')}(\\?|$)`)
    for (const [method, { tags }] of Object.entries(operations)) {
      const route = `${method.toUpperCase()} ${path}`
      if (!tags.includes('Habitat') || Object.hasOwn(ELSEWHERE, route)) continue
      const isExpected = EXPECTATIONS.some(
        (expected) => expected.method === method.toUpperCase() && pattern.test(expected.path),
      )
      if (!isExpected) missing.push(route)
    }
  }
  t.strictSame(missing, [])
})
