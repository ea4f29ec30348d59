import fs from 'node:fs';
import type { PatchContext } from '../../runtime/verdict';
import type { Patch, Undo } from '../patch';
import { wrapMethod } from '../wrap';
import type { Operation } from './call';
import { copyFile, cp } from './copy';
import { patchDescriptors } from './descriptors';
import { opendir } from './dir';
import { Gate } from './gate';
import { access, metadataOperations } from './metadata';
import { createOpen } from './open';
import { OpenFiles } from './open-files';
import { openAsBlob, readFile } from './read-file';
import { readdir } from './readdir';
import { keepRealpathHere, realpath, realpathNative } from './realpath';
import { wrapCallback, wrapExists, wrapExistsSync, wrapPromise, wrapSync } from './wrappers';
import { patchWrites } from './writes';

type Name = 'stat';

function wrapCallbackAndSync(gate: Gate, target: object, operation: Operation): Undo[] {
  const { method } = operation;
  return [
    wrapMethod(target as typeof fs, method as Name, (original) => wrapCallback(gate, operation, original)),
    wrapMethod(target as typeof fs, `${method}Sync` as Name, (original) => wrapSync(gate, operation, original)),
  ];
}

/**
 * `realpath.native` is a property of `realpath`: the wrapper, made to look like the original, holds the same one, so
 * the two have to be wrapped one by one.
 */
function patchRealpathNative(gate: Gate): Undo[] {
  return [
    wrapMethod(fs.realpath, 'native', (original) => wrapCallback(gate, realpathNative, original)),
    wrapMethod(fs.realpathSync, 'native', (original) => wrapSync(gate, realpathNative, original)),
  ];
}

/**
 * Files of the pod behind Node's own file functions. Not changed: functions that work on descriptors (they get real
 * ones), and `watch`, `watchFile` and `loadEnvFile`, which always see the client's files.
 */
export const fsPatch: Patch = {
  name: 'fs',
  install(context: PatchContext): Undo {
    const gate = new Gate(context);
    const openFiles = new OpenFiles();
    const both: Operation[] = [...metadataOperations, readdir, readFile, createOpen(openFiles), opendir, copyFile, cp];
    const undos: Undo[] = [
      // First, so that copies from the pod are met before what guards their destination.
      ...patchWrites(gate),
      wrapMethod(fs, 'realpath', (original) => keepRealpathHere(gate, original)),
      ...[...both, realpath].flatMap((operation) => wrapCallbackAndSync(gate, fs, operation)),
      ...[...both, realpathNative].map((operation) =>
        wrapMethod(fs.promises, operation.method as Name, (original) => wrapPromise(gate, operation, original)),
      ),
      ...patchRealpathNative(gate),
      wrapMethod(fs, 'exists', (original) => wrapExists(gate, access, original)),
      wrapMethod(fs, 'existsSync', (original) => wrapExistsSync(gate, access, original)),
      wrapMethod(fs, 'openAsBlob' as Name, (original) => wrapPromise(gate, openAsBlob, original)),
      ...patchDescriptors(openFiles),
    ];
    return () => {
      gate.stop();
      for (const undo of undos.reverse()) undo();
      openFiles.undo();
    };
  },
};
