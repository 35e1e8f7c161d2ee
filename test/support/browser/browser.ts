import { existsSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join, resolve } from 'node:path'
import type { Test } from 'tap'
import { hasTwoNodes } from '../start-depot.ts'
import { chromium } from 'playwright-core'
import type { Browser, BrowserContext, BrowserContextOptions, Page } from 'playwright-core'

// A real browser for the tests of the page: Chromium of the system. Every page fails its test on errors of
// scripts and on violations of the content security policy.

const PLACES = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome']
const AXE = createRequire(import.meta.url).resolve('axe-core/axe.min.js')
/** Build output: pictures of all pages, for people to look at. */
const CAPTURES = resolve(import.meta.dirname, '../../../build/pages')
const WIDTHS = [360, 1024, 1920] as const
const HEIGHT = 800
/** Counts the tables that scroll, besides those that compare columns, and so cannot be shown in another way. */
const HIDDEN_COLUMNS = `[...document.querySelectorAll('.scroll:not(:has(.pipeline, .changes))')]
  .filter(({ scrollWidth, clientWidth }) => scrollWidth > clientWidth).length`
const TIMEOUT_MS = 60_000
/**
 * Refusals, ended streams, a depot that is away, and the fonts that the sign-in pages of the test's provider
 * would like to load.
 */
const EXPECTED = /status of 4\d\d|ERR_INCOMPLETE_CHUNKED|ERR_EMPTY_RESPONSE|ERR_NAME_NOT_RESOLVED/

/** Starts a browser for the tests of a file. It is closed with the file. */
export async function startBrowser(t: { teardown(fn: () => Promise<void>): unknown }): Promise<Browser> {
  const executablePath = PLACES.find((place) => existsSync(place))
  if (executablePath === undefined)
    throw new Error('chromium is missing: install it, for example with apt-get install chromium')
  const browser = await chromium.launch({
    executablePath,
    args: process.getuid?.() === 0 ? ['--no-sandbox'] : [],
  })
  t.teardown(() => browser.close())
  return browser
}

/** Opens a new window, with cookies of its own. */
export async function openWindow(
  t: Test,
  browser: Browser,
  options: BrowserContextOptions = {},
): Promise<{ page: Page; window: BrowserContext }> {
  const window = await browser.newContext({ viewport: { width: 1024, height: HEIGHT }, ...options })
  t.teardown(() => window.close())
  window.setDefaultTimeout(TIMEOUT_MS)
  window.on('page', (page) => {
    page.on('pageerror', (error) => t.fail(`${page.url()}: ${error.message}`))
    page.on('console', (message) => {
      if (message.type() === 'error' && !EXPECTED.test(message.text()))
        t.fail(`${page.url()}: ${message.text()}`)
    })
  })
  return { page: await window.newPage(), window }
}

/** Signs in with a token. Resolves when the page `to` has been loaded. */
export async function signIn(page: Page, url: string, token: string, to = '/'): Promise<void> {
  await page.goto(`${url}/sign-in?to=${encodeURIComponent(to)}`)
  await page.getByLabel('Token').fill(token)
  await page.getByRole('button', { name: 'Sign in with a token' }).click()
  await page.waitForURL((address) => address.pathname !== '/sign-in')
}

interface AxeResults {
  readonly violations: readonly {
    readonly id: string
    readonly nodes: readonly { readonly html: string; readonly failureSummary?: string }[]
  }[]
}

/** Checks a page with axe-core. */
export async function expectAccessible(t: Test, page: Page): Promise<void> {
  // The policy of the page allows no other script, so this one comes in another way.
  const { violations } = await page.evaluate<AxeResults>(
    `${await readAxe()}; axe.run(document, { resultTypes: ['violations'] })`,
  )
  t.strictSame(
    violations.flatMap(({ id, nodes }) =>
      nodes.map(({ html, failureSummary }) => ({ id, html, failureSummary })),
    ),
    [],
    `axe-core finds nothing on ${new URL(page.url()).pathname}`,
  )
}

let axe: string | undefined

async function readAxe(): Promise<string> {
  const { readFile } = await import('node:fs/promises')
  axe ??= await readFile(AXE, 'utf8')
  return axe
}

/**
 * Checks the present page in light and dark, that nothing is wider than the window, and captures it in three
 * widths as `build/pages/NAME-WIDTH-SCHEME.png`.
 */
export async function review(t: Test, page: Page, name: string): Promise<void> {
  if (hasTwoNodes) return // the pages look the same
  await mkdir(CAPTURES, { recursive: true })
  const before = page.viewportSize()
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme })
    await expectAccessible(t, page)
    for (const width of WIDTHS) {
      await page.setViewportSize({ width, height: HEIGHT })
      const overflow = await page.evaluate('document.documentElement.scrollWidth - innerWidth')
      t.ok(Number(overflow) <= 0, `${name} fits into ${width} px`)
      t.equal(await page.evaluate(HIDDEN_COLUMNS), 0, `${name} hides no column at ${width} px`)
      await page.screenshot({
        path: join(CAPTURES, `${name}-${width}-${colorScheme}.png`),
        fullPage: true,
        animations: 'disabled',
      })
    }
  }
  await page.emulateMedia({ colorScheme: null })
  if (before !== null) await page.setViewportSize(before)
}
