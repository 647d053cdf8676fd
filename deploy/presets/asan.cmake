# AddressSanitizer and UndefinedBehaviorSanitizer. Of the latter's checks those that nothing else finds: the ones of pointers
# (null, alignment, object-size, pointer-overflow, vptr) would add half to the time of the build, and what they find mostly ends in
# AddressSanitizer's report as well.
set(CMAKE_BUILD_TYPE "Debug" CACHE STRING "")
set(CMAKE_CXX_FLAGS_DEBUG "-O1 -g1 -fno-omit-frame-pointer" CACHE STRING "")
set(MILLRACE_SANITIZE
  "address,bounds,shift,integer-divide-by-zero,unreachable,return,signed-integer-overflow,bool,enum,builtin" CACHE STRING "")
set(CMAKE_EXPORT_COMPILE_COMMANDS "ON" CACHE STRING "")
