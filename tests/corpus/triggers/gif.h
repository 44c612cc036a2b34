// Structures of giflib 5's interface.
#pragma once

#include "trigger.h"

typedef struct {
    int ByteCount;
    unsigned char* Bytes;
    int Function;
} ExtensionBlock;

typedef struct {
    int Left, Top, Width, Height;
    _Bool Interlace;
    void* ColorMap;
} GifImageDesc;

typedef struct {
    GifImageDesc ImageDesc;
    unsigned char* RasterBits;
    int ExtensionBlockCount;
    ExtensionBlock* ExtensionBlocks;
} SavedImage;

typedef struct {
    int SWidth, SHeight, SColorResolution, SBackGroundColor;
    unsigned char AspectByte;
    void* SColorMap;
    int ImageCount;
    GifImageDesc Image;
    SavedImage* SavedImages;
    int ExtensionBlockCount;
    ExtensionBlock* ExtensionBlocks;
    int Error;
    void* UserData;
    void* Private;
} GifFileType;

typedef struct {
    int DisposalMode;
    _Bool UserInputFlag;
    int DelayTime, TransparentColor;
} GraphicsControlBlock;
