import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { Blake2b } from '../../../src/hart/blake2b.ts'
import { formatKeyName, formatPublicKey } from '../../../src/hart/origin-key.ts'
import { parseTarget } from '../../../src/package/target.ts'
import { buildHart, makeKeys } from '../build-hart.ts'

// Replaces hab on machines without it. A build signs an empty package, named as its plan says, with the key
// that tests have for the origin:
//   hab-stand-in.ts origin key generate ORIGIN
//   hab-stand-in.ts origin key import < KEY
//   hab-stand-in.ts pkg build FOLDER

const VARIABLES = ['pkg_origin', 'pkg_name', 'pkg_version'] as const

function main(args: readonly string[]): void {
  const [first, second, third, last = '.'] = args
  if (first === 'origin' && second === 'key' && third === 'generate') writeKey(last)
  else if (first === 'pkg' && second === 'build') build(third ?? '.')
  else if (first !== 'origin' || second !== 'key' || third !== 'import')
    throw new Error(`this hab cannot ${args.join(' ')}`)
}

function writeKey(origin: string): void {
  const folder = process.env['HAB_CACHE_KEY_PATH'] ?? join(homedir(), '.hab/cache/keys')
  const { publicKey } = makeKeys(origin)
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, `${formatKeyName(publicKey)}.pub`), formatPublicKey(publicKey))
}

function build(folder: string): void {
  const plan = ['plan.sh', 'habitat/plan.sh']
    .map((path) => join(folder, path))
    .find((path) => existsSync(path))
  if (plan === undefined) throw new Error(`there is no plan in ${folder}`)
  const script = `. "$0"; printf '%s\\n' ${VARIABLES.map((name) => `"$${name}"`).join(' ')}`
  const [origin, name, version] = execFileSync('bash', ['-c', script, plan], { encoding: 'utf8' }).split('\n')
  const release = new Date().toISOString().replaceAll(/\D/g, '').slice(0, 14)
  const target = parseTarget(`${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-${process.platform}`)
  const ident = `${process.env['HAB_ORIGIN'] ?? origin}/${name}/${version}/${release}`
  const { bytes, fileName } = buildHart({ ident, target })
  const fields = {
    pkg_origin: origin,
    pkg_name: name,
    pkg_version: version,
    pkg_release: release,
    pkg_ident: ident,
    pkg_artifact: fileName,
    pkg_blake2bsum: new Blake2b().update(bytes).digest(),
  }
  const lines = Object.entries(fields).map(([field, value]) => `${field}=${value}\n`)
  mkdirSync('results', { recursive: true })
  writeFileSync(join('results', fileName), bytes)
  writeFileSync('results/last_build.env', lines.join(''))
}

main(process.argv.slice(2))
