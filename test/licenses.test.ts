import { readFileSync } from 'node:fs'
import { test } from 'tap'

/** The SPDX names of licenses that require only that a notice is kept. */
const ALLOWED = ['0BSD', 'Apache-2.0', 'BSD-2-Clause', 'BSD-3-Clause', 'BlueOak-1.0.0', 'ISC', 'MIT']

/** Packages with another license. A decision record says why it is acceptable. */
const EXCEPTIONS: Readonly<Record<string, string>> = {
  'node-liblzma': 'LGPL-3.0', // docs/decisions/0049-xz-by-liblzma.md
}

interface LockedPackage {
  readonly license?: string
  readonly dev?: boolean
}

const lock = JSON.parse(readFileSync(new URL('../package-lock.json', import.meta.url), 'utf8')) as {
  readonly packages: Readonly<Record<string, LockedPackage>>
}

/** The packages that `npm ci --omit=dev` installs on any machine. */
const installed = Object.entries(lock.packages)
  .filter(([path, { dev }]) => path !== '' && dev !== true)
  .map(([path, { license = 'none' }]) => ({ name: path.split('node_modules/').at(-1) ?? path, license }))

test('packages that are installed with the depot have an allowed license', (t) => {
  t.ok(installed.length > 10)
  for (const { name, license } of installed)
    t.ok(ALLOWED.includes(license) || EXCEPTIONS[name] === license, `${name} has the license ${license}`)
  t.end()
})

test('every exception is needed', (t) => {
  for (const [name, license] of Object.entries(EXCEPTIONS))
    t.ok(
      installed.some((each) => each.name === name && each.license === license),
      name,
    )
  t.end()
})
