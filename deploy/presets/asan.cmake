# AddressSanitizer and UndefinedBehaviorSanitizer.
set(CMAKE_BUILD_TYPE "Debug" CACHE STRING "")
set(CMAKE_CXX_FLAGS_DEBUG "-O1 -g1 -fno-omit-frame-pointer" CACHE STRING "")
set(MILLRACE_SANITIZE "address,undefined" CACHE STRING "")
set(CMAKE_EXPORT_COMPILE_COMMANDS "ON" CACHE STRING "")
