// Runs a Python script under MicroPython's WebAssembly build.
//   node run_in_webassembly.mjs PACKAGE_FOLDER REPOSITORY SCRIPT
// Copies the portable driver files into the interpreter's memory file system; exit code 1 on an exception.
import { readFileSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";

const [packageFolder, repository, script] = process.argv.slice(2);
const { loadMicroPython } = await import(pathToFileURL(join(packageFolder, "micropython.mjs")));
const interpreter = await loadMicroPython({ heapsize: 8 * 1024 * 1024, stdout: (line) => console.log(line) });

function copy(from, folder) {
  interpreter.FS.mkdir("/" + folder);
  for (const name of readdirSync(join(from, folder))) {
    if (name.endsWith(".py")) {
      interpreter.FS.writeFile(`/${folder}/${name}`, readFileSync(join(from, folder, name), "utf8"));
    }
  }
}
for (const folder of ["drivers", "drivers/chips", "drivers/modbus", "drivers/head"]) {
  copy(repository, folder);
}
copy(dirname(script), "fakes");
interpreter.runPython("import sys\nsys.path.insert(0, '/')");
try {
  interpreter.runPython(readFileSync(script, "utf8"));
} catch (error) {
  console.error(String(error));
  process.exit(1);
}
