"""The operations that model files of other makers may use."""


def _names(text: str) -> frozenset[str]:
    """The words of a text, without remarks."""
    lines = (line.strip() for line in text.splitlines())
    return frozenset(name for line in lines if not line.startswith("#") for name in line.split())


TENSORFLOW = _names(
    """
    # what calls, and chooses
    PartitionedCall StatefulPartitionedCall If StatelessIf While StatelessWhile Case StatelessCase NoOp Identity
    IdentityN Const Placeholder PlaceholderWithDefault StopGradient PreventGradient EnsureShape Assert
    # weights
    VarHandleOp ReadVariableOp
    # arithmetic
    Abs Add AddN AddV2 Sub Mul Div DivNoNan RealDiv FloorDiv FloorMod Mod TruncateDiv Maximum Minimum Neg Reciprocal
    Sign Square Sqrt Rsqrt SquaredDifference Pow Exp Expm1 Log Log1p Erf Sin Cos Tan Tanh Sinh Cosh Atan Atan2 Ceil
    Floor Round Rint ClipByValue Cumsum Cast Bitcast IsFinite IsNan IsInf Xdivy Xlogy MulNoNan
    # of bits, as whole numbers are read from bytes
    BitwiseAnd BitwiseOr BitwiseXor Invert LeftShift RightShift
    # activations
    Relu Relu6 LeakyRelu Elu Selu Softplus Softsign Softmax LogSoftmax Sigmoid
    # convolutions, and what belongs to them
    Conv2D Conv2DBackpropInput DepthwiseConv2dNative Conv3D BiasAdd BiasAddV1 MatMul BatchMatMul BatchMatMulV2
    BatchMatMulV3 Einsum AvgPool MaxPool MaxPoolV2 FusedBatchNorm FusedBatchNormV2 FusedBatchNormV3 LRN DepthToSpace
    SpaceToDepth SpaceToBatchND BatchToSpaceND ExtractImagePatches MirrorPad Pad PadV2 ResizeBilinear ResizeBicubic
    ResizeNearestNeighbor ResizeArea FakeQuantWithMinMaxVars FakeQuantWithMinMaxArgs
    FakeQuantWithMinMaxVarsPerChannel
    # shapes
    Shape ShapeN Size Rank Reshape Squeeze ExpandDims Transpose ConcatV2 Concat Pack Unpack Split SplitV Slice
    StridedSlice Tile BroadcastTo BroadcastArgs Fill ZerosLike OnesLike Range LinSpace Gather GatherV2 GatherNd
    ScatterNd TensorScatterUpdate TensorScatterAdd ReverseV2 Roll OneHot Where Select SelectV2 InvertPermutation
    # over axes
    Sum Mean Prod Max Min All Any ArgMax ArgMin TopKV2
    # comparisons
    Equal NotEqual Less LessEqual Greater GreaterEqual LogicalAnd LogicalOr LogicalNot
    # lists, as loops make them
    TensorListFromTensor TensorListGetItem TensorListReserve TensorListSetItem TensorListStack TensorListLength
    TensorListElementShape EmptyTensorList TensorListPushBack TensorListPopBack
    # images in memory, of the signature for TensorFlow Serving
    DecodeImage DecodeJpeg DecodePng DecodeBmp DecodeGif DecodeRaw ExtractJpegShape EncodePng EncodeJpeg Substr
    """
)
"""TensorFlow's operations that a SavedModel may use: those of our own exports, and harmless arithmetic."""

SAVERS = _names(
    """
    SaveV2 RestoreV2 MergeV2Checkpoints ShardedFilename StringJoin StaticRegexFullMatch AssignVariableOp
    DisableCopyOnRead
    """
)
"""The operations of functions that save and restore it. Every file has them, and nothing here calls them."""

ONNX = _names(
    """
    # arithmetic
    Abs Add And Ceil Clip Cos Cosh CumSum Div Einsum Equal Erf Exp Floor Gemm Greater GreaterOrEqual Identity IsInf
    IsNaN Less LessOrEqual Log MatMul Max Mean Min Mod Mul Neg Not Or Pow Reciprocal Round Sign Sin Sinh Sqrt Sub Sum
    Tan Tanh Trilu Where Xor
    # activations
    Celu Elu Gelu HardSigmoid HardSwish LeakyRelu LogSoftmax Mish PRelu Relu Selu Sigmoid Softmax Softplus Softsign
    ThresholdedRelu
    # convolutions, and what belongs to them
    AveragePool BatchNormalization Conv ConvTranspose DepthToSpace GlobalAveragePool GlobalMaxPool GridSample
    GroupNormalization InstanceNormalization LRN LayerNormalization LpNormalization MaxPool Pad Resize SpaceToDepth
    Upsample
    # shapes
    Cast CastLike Concat Constant ConstantOfShape Expand Flatten Gather GatherElements GatherND OneHot Range Reshape
    ScatterElements ScatterND Shape Size Slice Split Squeeze Tile Transpose Unsqueeze
    # over axes
    ArgMax ArgMin ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum
    ReduceSumSquare TopK
    # integers inside
    ConvInteger DequantizeLinear DynamicQuantizeLinear MatMulInteger QLinearConv QLinearMatMul QuantizeLinear
    # one of two graphs
    If
    """
)
"""Operators of ONNX' own domain that a file may have. Loops, random numbers and strings are not among them."""

NCNN = _names(
    """
    Input Split Noop Concat Slice Crop Reshape Permute Padding Flatten ExpandDims Squeeze Tile Interp PixelShuffle
    Reorg ShuffleChannel Convolution ConvolutionDepthWise Deconvolution DeconvolutionDepthWise Pooling InnerProduct
    MatMul Gemm BinaryOp UnaryOp Eltwise Scale Bias BatchNorm LayerNorm InstanceNorm GroupNorm Normalize LRN MVN
    Reduction MemoryData Cast Packing Quantize Dequantize Requantize AbsVal Clip ELU Exp GELU HardSigmoid HardSwish Log
    Mish PReLU Power ReLU SELU Sigmoid Softmax Softplus Swish TanH Threshold Dropout
    """
)
"""Layers that a file of ncnn may have: those that only compute."""
