import { describe, expect, it } from 'vitest';
import { isPrompt, placeCalls } from '../../../src/agent/files/place-calls';

const CONTAINER = `2029 1980 0:231 / / rw,relatime master:703 - overlay overlay rw,lowerdir=/a:/b,upperdir=/c
2030 2029 0:234 / /proc rw,nosuid - proc proc rw
2031 2029 8:1 /kubelet/pods/x/volumes/etc-hosts /etc/hosts rw,relatime - ext4 /dev/sda1 rw
2032 2029 0:229 / /var/run/secrets ro,relatime shared:3 master:9 - tmpfs tmpfs rw,size=1k
`;

describe('how the places of a target are looked at', () => {
  it('is at once where all mounts are of memory and of disks of the node', () => {
    expect(isPrompt(CONTAINER)).toBe(true);
  });

  it.each(['nfs4', 'nfs', 'cifs', 'ceph', 'fuse.s3fs', 'fuse', '9p', 'autofs', 'virtiofs', 'something-new'])(
    'is in the thread pool where one mount is of kind %s, which may wait for a server',
    (kind) => {
      expect(isPrompt(`${CONTAINER}2033 2029 0:99 / /data rw,relatime - ${kind} server:/data rw\n`)).toBe(false);
    },
  );

  it('is not taken from a name that a mount has', () => {
    expect(isPrompt(`${CONTAINER}2033 2029 0:99 / /data\\040-\\040tmpfs\\040x rw - nfs4 server:/data rw\n`)).toBe(
      false,
    );
  });

  it('is in the thread pool where nothing is known', () => {
    expect(isPrompt('')).toBe(false);
    expect(placeCalls({ path: '/proc/4194999/root', innerPid: 1 }).open(process.execPath, 0)).toBeInstanceOf(Promise);
  });
});
