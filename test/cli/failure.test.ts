import { test } from 'tap'
import { describeFailure } from '../../src/cli/failure.ts'

test('a system error is a sentence that names the path', async (t) => {
  const sentences = {
    ENOENT: 'there is no /data/x',
    EEXIST: '/data/x already exists',
    EISDIR: '/data/x is a folder; a file is expected',
    ENOTDIR: 'a part of /data/x is a file, not a folder',
    ENOTEMPTY: '/data/x is not empty',
    EROFS: '/data/x is on a read-only disk',
    ENOSPC: 'there is no space left for /data/x',
    EDQUOT: 'there is no space left for /data/x: the quota is reached',
    EMFILE: 'too many files are open: raise the limit (ulimit -n)',
    ENFILE: 'too many files are open on this machine',
    EIO: 'the disk failed to read or write /data/x',
    ENAMETOOLONG: 'the name /data/x is too long',
    ELOOP: '/data/x has too many symbolic links, or a loop of them',
  }
  for (const [code, sentence] of Object.entries(sentences))
    t.equal(describeFailure(Object.assign(new Error('failed'), { code, path: '/data/x' })), sentence)
  t.equal(describeFailure(Object.assign(new Error('failed'), { code: 'ENOENT' })), 'a file is missing')
  t.equal(
    describeFailure(Object.assign(new Error('failed'), { code: 'EISDIR' })),
    'a folder was given where a file is expected',
  )
  t.equal(
    describeFailure(Object.assign(new Error('failed'), { code: 'EACCES' })),
    'access to a file is denied to this user',
  )
})

test('a bug is its stack', async (t) => {
  t.match(describeFailure(new Error('a bug')), /^Error: a bug\n {4}at .*failure\.test\.ts/)
  t.equal(describeFailure('thrown text'), 'thrown text')
})
