import { PACKAGE_ROOT } from '../../package-root.ts'

// A package of the Habitat project's own test data, signed by the key beside it.
const KEY_FILE = 'test/fixtures/keys/happyhumans-20160424223347.pub'
const HART_FILE = 'test/fixtures/harts/happyhumans-possums-8.1.4-20160427165340-x86_64-linux.hart'

/** Returns the shell command that sets the token for {@link firstSteps}. */
export function tokenLine(token: string): string {
  return `export HART_DEPOT_TOKEN=${token}`
}

/** Returns shell commands that publish and promote a package on a new depot. They work in this order. */
export function firstSteps(url: string): string {
  const curl = 'curl -sS --fail-with-body -H "Authorization: Bearer $HART_DEPOT_TOKEN"'
  const release = 'happyhumans/possums/8.1.4/20160427165340'
  return `
To create an origin, add its key, upload a package, promote it and poll for it, set HART_DEPOT_TOKEN to the administrator's token and run:

cd ${quoteForShell(PACKAGE_ROOT)}
${curl} -d '{"name":"happyhumans"}' "${url}/v1/depot/origins"
${curl} --data-binary @${KEY_FILE} "${url}/v1/depot/origins/happyhumans/keys/20160424223347"
${curl} -X POST -T ${HART_FILE} "${url}/v1/depot/pkgs/${release}?checksum=$(b2sum -l 256 ${HART_FILE} | cut -c 1-64)"
${curl} -X POST "${url}/v1/depot/views/acceptance/pkgs/${release}/promote"
curl -sS --fail-with-body "${url}/v1/depot/views/acceptance/pkgs/happyhumans/possums/latest"
`
}

/** Quotes one word for a POSIX shell. */
export function quoteForShell(text: string): string {
  return /^[A-Za-z0-9_./:@%+=,-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`
}
