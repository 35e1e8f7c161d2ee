import { TARGETS, DEFAULT_TARGET } from '../package/target.ts'
import { UNSTABLE } from '../views/view.ts'

/** What the configuration of an edge depends on. */
export interface NginxOptions {
  /** The folder that `hart-depot materialize` writes. Without one, every request goes to a depot. */
  readonly files: string | undefined
  /** The depots, `HOST:PORT`. */
  readonly upstreams: readonly string[]
  /** What nginx listens on, for example `443` or `127.0.0.1:8080`. */
  readonly listen: string
  readonly serverName: string | undefined
  readonly tls: { readonly certificate: string; readonly key: string } | undefined
  /** A folder or the URL of an S3 service, from which nginx sends packages. By default, depots send them. */
  readonly blobs: string | undefined
  /** An address without files, through which `materialize` reaches whichever depot is up. */
  readonly direct: string | undefined
}

/**
 * A part of a URL, as a regular expression of nginx. All parts of file names match it, and it cannot leave
 * the folder of the files: it has no slash, and does not begin with a dot.
 */
const PART = '[^./?%,][^/?%,]*'
const MOUNT = '^/v1(?:/depot)?'
const VIEW_URL = '/views/(?<hart_view>PART)(?:/depot)?'
const PACKAGE = '(?<hart_name>PART)'
const VERSION = '(?<hart_version>PART)'
const ORIGIN = '(?<hart_origin>PART)'
const RELEASE = '(?<hart_release>PART)'
const END = '(?:\\?|$)'
const LATEST = '/views/$hart_view/now/$hart_origin/$hart_name,$hart_target'
const LATEST_OF_VERSION = '/views/$hart_view/now/$hart_origin/$hart_name,$hart_version,$hart_target'
const OF_UNSTABLE = `/views/${UNSTABLE}/now/$hart_origin/$hart_name`
const SHOW = '/shows/$hart_origin/$hart_name,$hart_version,$hart_release,$hart_named_target'

/**
 * The files of requests, as `[URL, file]`: the first match counts. The URLs are matched as they were sent, so
 * that no escape in them means something else to nginx than to the depot. layout.ts names the files.
 */
const FILES: readonly (readonly [url: string, file: string])[] = [
  // polls for `latest`, in a channel, below the URL of a view, and without a view
  [`/channels/${ORIGIN}/(?<hart_view>PART)/pkgs/${PACKAGE}/latest`, LATEST],
  [`${VIEW_URL}/channels/${ORIGIN}/PART/pkgs/${PACKAGE}/latest`, LATEST],
  [`${VIEW_URL}/pkgs/${ORIGIN}/${PACKAGE}/latest`, LATEST],
  [`/channels/${ORIGIN}/(?<hart_view>PART)/pkgs/${PACKAGE}/${VERSION}/latest`, LATEST_OF_VERSION],
  [`${VIEW_URL}/channels/${ORIGIN}/PART/pkgs/${PACKAGE}/${VERSION}/latest`, LATEST_OF_VERSION],
  [`${VIEW_URL}/pkgs/${ORIGIN}/${PACKAGE}/${VERSION}/latest`, LATEST_OF_VERSION],
  [`/pkgs/${ORIGIN}/${PACKAGE}/latest`, `${OF_UNSTABLE},$hart_target,brief`],
  [`/pkgs/${ORIGIN}/${PACKAGE}/${VERSION}/latest`, `${OF_UNSTABLE},$hart_version,$hart_target,brief`],
  // shows of releases
  [`/pkgs/${ORIGIN}/${PACKAGE}/${VERSION}/${RELEASE}`, `${SHOW},brief`],
  [`/channels/${ORIGIN}/${UNSTABLE}/pkgs/${PACKAGE}/${VERSION}/${RELEASE}`, SHOW],
  [`${VIEW_URL}/pkgs/${ORIGIN}/${PACKAGE}/${VERSION}/${RELEASE}`, `/views/$hart_view${SHOW}`],
  [`${VIEW_URL}/channels/${ORIGIN}/PART/pkgs/${PACKAGE}/${VERSION}/${RELEASE}`, `/views/$hart_view${SHOW}`],
]

/** The files of requests without a query. */
const LISTS: readonly (readonly [url: string, file: string])[] = [
  [`/origins/${ORIGIN}/keys/(?<hart_revision>[0-9]+)`, '/keys/$hart_origin/$hart_revision'],
  [`/origins/${ORIGIN}/keys`, '/keys/$hart_origin/list'],
  [`/channels/${ORIGIN}`, '/channels/$hart_origin'],
  ['/views', '/view-names'],
]

/** Returns a configuration for the `http` block of nginx. It needs nginx 1.18 or newer, with PCRE. */
export function nginxConf(options: NginxOptions): string {
  return [
    '# Made by hart-depot nginx-conf, for the http block of nginx.',
    upstream(options),
    ...(options.files === undefined ? [] : [maps()]),
    server(options),
    ...(options.direct === undefined ? [] : [directServer(options.direct, options.upstreams)]),
  ].join('\n')
}

/**
 * nginx leaves out a depot that answers 503, as all do to downloads while their store is away. When all are
 * left out, all are asked. Otherwise, nginx would answer 502 to every request.
 */
function upstream({ upstreams }: NginxOptions): string {
  const backups = upstreams.length === 1 ? '' : serverLines(upstreams, 'max_fails=0 backup')
  return `
upstream hart_depot {
${serverLines(upstreams, 'max_fails=1 fail_timeout=2s')}${backups}\
  keepalive 32;
}
`
}

function serverLines(upstreams: readonly string[], parameters: string): string {
  return upstreams.map((address) => `  server ${address} ${parameters};\n`).join('')
}

function maps(): string {
  const targets = TARGETS.join('|')
  return `
# Only requests that need no depot have a file: GET and HEAD without a token, and no query but the target.
map "$request_method $http_authorization" $hart_url {
  "GET " $request_uri;
  "HEAD " $request_uri;
  default "";
}
map $args $hart_named_target {
  "~^target=(?<hart_target_in_query>${targets})$" $hart_target_in_query;
  default ",none";
}
map $args $hart_target {
  "" $hart_target_of_agent;
  default $hart_named_target;
}
# Clients of 2016 name their target only in User-Agent.
map $http_user_agent $hart_target_of_agent {
  "~^[^(]*\\((?<hart_target_in_agent>${targets});" $hart_target_in_agent;
  "~^(?:(?!\\(\\w+-\\w+;).)*\\((?<hart_target_in_agent>${targets});" $hart_target_in_agent;
  default ${DEFAULT_TARGET};
}
map $hart_url $hart_file {
${FILES.map((entry) => mapLine(entry, END)).join('\n')}
${LISTS.map((entry) => mapLine(entry, '$')).join('\n')}
  default "/,none";
}
`
}

function mapLine([url, file]: readonly [string, string], end: string): string {
  return `  "~${(MOUNT + url).replaceAll('PART', PART)}${end}" "${file}";`
}

function server({ files, listen, serverName, tls, blobs, upstreams }: NginxOptions): string {
  return `
server {
  listen ${listen}${tls === undefined ? '' : ' ssl'};
${serverName === undefined ? '' : `  server_name ${serverName};\n`}${tls === undefined ? '' : tlsLines(tls)}\
  client_max_body_size 0;                 # packages are large: DEPOT_MAX_UPLOAD limits them
${files === undefined ? depotLocation('/', upstreams, blobs) : fileLocations(files) + depotLocation('@hart_depot', upstreams, blobs)}\
${blobs === undefined ? '' : blobLocation(blobs)}}
`
}

/** hab needs a full handshake for each poll, which costs least with a key on P-256 (docs/tls.md). */
function tlsLines({ certificate, key }: { certificate: string; key: string }): string {
  return `\
  ssl_certificate ${quoted(certificate)};
  ssl_certificate_key ${quoted(key)};
  ssl_protocols TLSv1.2 TLSv1.3;
  ssl_ecdh_curve X25519:prime256v1;
  ssl_session_tickets off;                # hab resumes no session
`
}

const JSON_TYPE = '"application/json; charset=utf-8"'
const NEVER = '"private, no-cache, no-store"'
const FOR_EVER = '"public, max-age=31536000"'

/** The locations of files. What has no file falls through to a depot. */
function fileLocations(files: string): string {
  const keyHeaders = `\
      add_header X-Filename "$hart_origin-$hart_revision.pub";
      add_header Content-Disposition 'attachment; filename="$hart_origin-$hart_revision.pub"';
`
  const special = ['/v1/depot', '/v1'].map((mount) => {
    const latest = fileLocation('~ /latest$', { type: JSON_TYPE, cache: NEVER })
    const keys = fileLocation('~ /keys/[0-9]+$', { type: 'text/plain', cache: NEVER, inside: keyHeaders })
    return (
      fileLocation(`${mount}/pkgs/`, { type: JSON_TYPE, cache: FOR_EVER, inside: latest }) +
      fileLocation(`${mount}/origins/`, { type: JSON_TYPE, cache: NEVER, inside: keys })
    )
  })
  return `\
  root ${quoted(`${files}/current`)};
${fileLocation('/', { type: JSON_TYPE, cache: NEVER })}${special.join('')}`
}

/**
 * A location of files. It has no `try_files`, which would look each file up twice. The entity tag of a file
 * is its size and its time of change, which `materialize` derives from the bytes. As a date, the time means
 * nothing, so it is not sent.
 */
function fileLocation(
  place: string,
  { type, cache, inside = '' }: { type: string; cache: string; inside?: string },
): string {
  return `\
  location ${place} {
    default_type ${type};
    rewrite ^ $hart_file break;
    error_page 403 404 405 = @hart_depot;
    log_not_found off;
    etag on;
    if_modified_since off;
    max_ranges 0;
    add_header Last-Modified "";
    add_header Cache-Control ${cache};
${inside.replaceAll(/^(?=.)/gm, inside.startsWith('  location') ? '  ' : '')}\
  }
`
}

/** The location through which nginx sends packages itself; `DEPOT_ACCEL_LOCATION` of the depots. */
const PACKAGES = '/_packages'

function depotLocation(place: string, upstreams: readonly string[], blobs?: string): string {
  return `\
  location ${place} {
    proxy_pass http://hart_depot$request_uri;
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    proxy_set_header Host $http_host;
    proxy_set_header X-Forwarded-For $remote_addr;
    proxy_set_header X-Forwarded-Proto $scheme;
    proxy_set_header X-Accel-Location "${blobs === undefined ? '' : PACKAGES}";
    proxy_request_buffering off;          # a refused upload is refused at once
    proxy_buffering off;                  # events arrive when they happen
    proxy_connect_timeout 2s;
    proxy_read_timeout 330s;              # held requests wait up to five minutes
    proxy_next_upstream error timeout http_502 http_503 http_504;
    proxy_next_upstream_tries ${upstreams.length};
  }
`
}

/** The location from which nginx sends packages after a depot has allowed it (docs/s3.md). */
function blobLocation(blobs: string): string {
  const service = /^https?:\/\/([^/]+)\/?$/.exec(blobs)
  const headers = `\
    internal;
    set $hart_package_file $upstream_http_x_filename;
    set $hart_package_tag $upstream_http_etag;
    add_header X-Filename $hart_package_file;
    add_header ETag $hart_package_tag;
`
  if (service === null)
    return `\
  location ${PACKAGES}/ {                   # DEPOT_ACCEL_LOCATION=${PACKAGES}
${headers}\
    alias ${quoted(`${blobs.replace(/\/$/, '')}/`)};
    etag off;
    if_modified_since off;
    default_type application/octet-stream;
  }
`
  const dropped = ['Connection', 'Authorization', 'Cookie', 'If-Range', 'If-Match', 'If-None-Match']
  const hidden = ['ETag', 'x-amz-meta-put', 'x-amz-request-id', 'x-amz-id-2', 'x-amz-version-id']
  return `\
  location ${PACKAGES}/ {                   # DEPOT_ACCEL_LOCATION=${PACKAGES}
${headers}\
    rewrite ^${PACKAGES}(/.*)$ $1 break;
    proxy_pass ${blobs.replace(/\/$/, '')};
    proxy_ssl_server_name on;
    proxy_http_version 1.1;
    proxy_set_header Host ${service[1]};
${[...dropped, 'If-Modified-Since', 'If-Unmodified-Since'].map((name) => `    proxy_set_header ${name} "";`).join('\n')}
${[...hidden, 'x-amz-server-side-encryption'].map((name) => `    proxy_hide_header ${name};`).join('\n')}
    proxy_max_temp_file_size 0;
    proxy_intercept_errors on;
    error_page 400 403 404 500 502 503 504 =503 @hart_packages_away;
  }
  location @hart_packages_away {
    default_type text/plain;
    return 503 "the storage of packages does not answer: try again later\\n";
  }
`
}

function directServer(address: string, upstreams: readonly string[]): string {
  return `
# For hart-depot materialize --url http://${address}
server {
  listen ${address};
${depotLocation('/', upstreams)}}
`
}

/** Quotes a path for nginx. Throws a RangeError for a path that nginx would not take as it is. */
function quoted(path: string): string {
  if (/["\\$\n]/.test(path)) throw new RangeError(`nginx cannot use the path ${JSON.stringify(path)}`)
  return `"${path}"`
}
