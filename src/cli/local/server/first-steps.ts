import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { PACKAGE_ROOT } from '../../../package-root.ts'

// A package of the Habitat project's own test data, signed by the key beside it. Only clones have it.
const KEY_FILE = 'test/fixtures/keys/happyhumans-20160424223347.pub'
const HART_FILE = 'test/fixtures/harts/happyhumans-possums-8.1.4-20160427165340-x86_64-linux.hart'

/** Returns the shell command that sets the token for {@link firstSteps}. */
export function tokenLine(token: string): string {
  return `export HART_DEPOT_TOKEN=${token}`
}

/**
 * Returns shell commands that publish and promote a package on a new depot. They work in this order. Outside
 * a clone, the reader must name the package.
 */
export function firstSteps(url: string): string {
  const isClone = existsSync(join(PACKAGE_ROOT, HART_FILE))
  const program = isClone ? 'npm run --silent hart-depot --' : 'hart-depot'
  const [origin, hart, key] = isClone ? ['happyhumans', HART_FILE, KEY_FILE] : ['ORIGIN', 'HART', 'KEY']
  return `
To publish a package, promote it into a view and poll for it, set HART_DEPOT_TOKEN to the administrator's token in a second shell and run:

${isClone ? `cd ${quoteForShell(PACKAGE_ROOT)}\n` : ''}export HART_DEPOT_URL=${quoteForShell(url)}
${program} origin create ${origin}
${program} upload ${hart} --key ${key} --promote acceptance
${program} view acceptance
curl -sS --fail-with-body "$HART_DEPOT_URL/v1/depot/views/acceptance/pkgs/${isClone ? 'happyhumans/possums' : 'ORIGIN/NAME'}/latest"
`
}

/** Quotes one word for a POSIX shell. */
export function quoteForShell(text: string): string {
  return /^[A-Za-z0-9_./:@%+=,-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`
}
