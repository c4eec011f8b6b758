#!/usr/bin/env bash
# Prepares a CPU libtorch for the `tch` backend from PyTorch's Python wheels.
#
#   scripts/libtorch.sh [DIR]      default: ${KILN_CACHE:-~/.cache/kiln}/libtorch
#
# Prints the variables to export afterwards.
#
# The wheel on the package index is built for CUDA. Its CPU half needs two small CUDA libraries and
# nothing else, so the gigabytes of GPU libraries are neither fetched nor linked.
set -euo pipefail

dir=${1:-${KILN_CACHE:-$HOME/.cache/kiln}/libtorch}
torch_version=2.9.1

print_variables() {
    echo "export LIBTORCH=$dir LIBTORCH_BYPASS_VERSION_CHECK=1" \
        "LD_LIBRARY_PATH=$dir/lib\${LD_LIBRARY_PATH:+:\$LD_LIBRARY_PATH}"
}

if [ -e "$dir/complete-$torch_version" ]; then
    print_variables
    exit 0
fi
echo "libtorch: installing PyTorch $torch_version's CPU libraries into $dir" >&2

rm -rf "$dir"
mkdir -p "$dir/lib"
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps \
    "torch==$torch_version" "nvidia-cuda-runtime-cu12==12.8.90" "nvidia-cuda-cupti-cu12==12.8.90"
site=$("$dir/venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')

ln -s "$site/torch/include" "$dir/include"
for lib in libtorch_cpu.so libc10.so libgomp.so.1; do
    ln -s "$site/torch/lib/$lib" "$dir/lib/$lib"
done
ln -s "$site/nvidia/cuda_runtime/lib/libcudart.so.12" "$dir/lib/"
ln -s "$site/nvidia/cuda_cupti/lib/libcupti.so.12" "$dir/lib/"
# The GPU half is never loaded; it is most of the wheel's size.
rm -f "$site"/torch/lib/libtorch_cuda*.so "$site"/torch/lib/libtorch_nvshmem.so
# The wheel's libtorch.so pulls in the GPU half; this one stands in for it.
echo | ${CC:-cc} -shared -x c - -o "$dir/lib/libtorch.so" -L"$dir/lib" \
    -Wl,--no-as-needed -ltorch_cpu -Wl,-rpath,"$dir/lib" -Wl,--allow-shlib-undefined
echo "$torch_version" > "$dir/build-version"
touch "$dir/complete-$torch_version"
print_variables
